"""What changed between two versions, whether it may, and whether a version can be made again."""
