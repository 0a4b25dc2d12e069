"""Put what a pull request changes into its one comment: `python tools/comment.py --folder metrics` (standard library only).

Runs beside the pull request's code, never with it: the folder's text was made by that code and is only shown, cut to a comment's size
and without mentions. Which pull request it is comes from GitHub itself (HEAD_REPOSITORY, HEAD_BRANCH, HEAD_SHA of the run that made the
folder), not from the folder. An older comment of ours is changed, so that there is one.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

MARK = "<!-- onscreen diff -->"
AUTHOR = "github-actions[bot]"  # whom GITHUB_TOKEN writes as; a comment of anybody else with our mark is not ours
MOST = 65_536  # characters of a comment, GitHub's limit
PATIENCE_S = 30.0
_CUT = "\n\nCut here: the whole text is in the run's artifact.\n"


def main() -> int:
    """Write the comment; 0 also when the pull request has moved on or is closed, because then a later run tells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    folder, env = parser.parse_args().folder, os.environ
    api = f"{env.get('GITHUB_API_URL', 'https://api.github.com')}/repos/{env['GITHUB_REPOSITORY']}"
    number = pull_request(api, env["HEAD_REPOSITORY"].split("/")[0], env["HEAD_BRANCH"], env["HEAD_SHA"])
    if number is None:
        sys.stdout.write("no open pull request has this commit as its head: no comment\n")
        return 0
    text, ours = body(folder, env["HEAD_SHA"]), own_comment(api, number)
    where = f"{api}/issues/{number}/comments" if ours is None else f"{api}/issues/comments/{ours}"
    ask(where, "POST" if ours is None else "PATCH", {"body": text})
    sys.stdout.write(f"pull request {number}: comment {'written' if ours is None else 'changed'}, {len(text)} characters\n")
    return 0


def pull_request(api: str, owner: str, branch: str, commit: str) -> int | None:
    """The open pull request from this branch whose head is this commit."""
    found = ask(f"{api}/pulls?state=open&head={quote(f'{owner}:{branch}')}")
    return next((one["number"] for one in found if one["head"]["sha"] == commit), None)


def own_comment(api: str, number: int) -> int | None:
    """The id of our comment, of however many the pull request has."""
    for page in range(1, 100):
        comments = ask(f"{api}/issues/{number}/comments?per_page=100&page={page}")
        for one in comments:
            if one["user"]["login"] == AUTHOR and one["body"].startswith(MARK):
                return int(one["id"])
        if len(comments) < 100:
            break
    return None


def body(folder: Path, commit: str) -> str:
    """The comment: diff.md and reproduced.md of the folder, cut to size."""
    texts = [shown(folder / name) for name in ("diff.md", "reproduced.md")]
    head = f"{MARK}\nOf {commit[:7]}, as computed by the code of this pull request.\n\n"
    tail = texts[1] if len(texts[1]) < MOST // 4 else ""  # what was run again is short, and is not what is cut
    room = MOST - len(head) - len(tail) - len(_CUT) - 2
    first = texts[0] if len(texts[0]) <= room else texts[0][:room].rsplit("\n", 1)[0] + _CUT
    return f"{head}{first}\n\n{tail}"


def shown(path: Path) -> str:
    """A text file as it may be shown: nobody is mentioned by it, and it ends no comment of HTML."""
    if path.is_symlink() or not path.is_file():
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        text = file.read(4 * MOST)
    return re.sub(r"@(?=\w)", "@\u200b", text.replace("<!--", "&lt;!--"))


def ask(url: str, method: str = "GET", data: dict[str, Any] | None = None) -> Any:
    """Ask GitHub's API. Raises HTTPError, which ends the run with its message, where it refuses."""
    headers = {"Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}", "Accept": "application/vnd.github+json"}
    content = None if data is None else json.dumps(data).encode()
    # the address is GitHub's own (GITHUB_API_URL), not part of the folder
    with urlopen(Request(url, content, headers, method=method), timeout=PATIENCE_S) as answer:  # noqa: S310
        return json.loads(answer.read())


if __name__ == "__main__":
    sys.exit(main())
