"""Every limit of the checks of a sample: its unit, and its source or what it was measured on.

"The guide" is the M2P dataset guide whose structure, quality requirements and checklist `onscreen m2p validate` checks.
"""

from __future__ import annotations

FPS = 24  # frames a second, where metadata.json names none (the guide)
RESOLUTION_PX = 512  # square, where metadata.json names none (the guide)
POINTS = 134  # of a frame (the guide)
WIDTH = 4800  # columns of music_features.npy (the guide)
MIN_FRAMES = 24  # of a sample (the guide)
RECOMMENDED_S = (3.0, 10.0)  # length (the guide)
RECOMMENDED_AUDIO_HZ = 44100  # (the guide)
RECOMMENDED_CONFIDENCE = 0.8  # mean of the body's points (the guide)

CLOCK_S = 0.002  # a frame beside its time: containers that count in milliseconds round to half of one, some cut
CODEC_SAMPLES = 1024  # sound comes in blocks of AAC; a soundtrack may end up to one of them late
BLACK = 2.0  # grey levels: standard deviation over a frame below which it shows nothing; dark stages have 10 and more
BLACK_SHARE = 0.5  # of the frames
STILL_SHARE = (0.45, 0.95)  # of the frames that are the one before at 32 x 32 pixels: warn (nearly), fail (bit by bit)
SAME_LEVELS = 1  # grey levels: a frame shown twice and encoded anew differs by 1 at most, the frames of the dances by 2 and more
SILENT = 1e-4  # full scale 1: the loudest sample of digital silence, -80 dB
CLIPPED = 0.999  # full scale 1
CLIPPED_SHARE = 0.01  # of the samples; loud masters have less than a thousandth
NOISY_FLATNESS = 0.3  # median spectral flatness: white noise has 0.56; four music tracks and a dance 0.004 or less

# music_features.npy
MAX_LAG_S = 1.0  # within which a shift between features and sound is looked for
# Correlation of a group of columns with the same group of video.mp4's own sound: 0.88 and more for features of the source, before its sound
# was encoded again, of three dances; 0.12 and less for another track
SAME_SOUND = 0.5
TRUE_LAG = 0.5  # correlation at the best lag below which there is no lag to speak of: 0.99 for the own sound, 0.24 for another
# How many times a group of columns of frame t is larger, and spreads more, than of the sound measured again: 0.96 to 1.04 of 52 honest
# samples, also after AAC; of the groups that follow the faintest parts of a sound 0.77 to 1.33, of made-up tones in faint noise 0.58
SAME_SCALE, SAME_SCALE_FAINT = 1.25, 1.9
SAME_LEVEL = 0.75  # of a group's spread, by which its columns' means differ: 0.05 at most there
SAME_TEMPO = 0.001  # of the tempo: float32 against JSON
BEAT_FRAMES = 0.51  # a beat beside the frame that it marks
BEATS = 4  # of which a tempo can be told
TEMPO_OF_BEATS = 0.2  # tempo of the beats beside the one told, which also counts 5 s before and after a cut: 0.08 at most there
# Cuts of 5 music tracks heard without what lies around them: from 5 s on 0.97 to 1.03 times the tempo told, at 3 s up to 1.4; the key
# told correlates with what is heard by -0.16 or more
TEMPO_S, HEARD_TEMPO, CLEAR_PULSE = 5.0, 0.1, 0.25
KEY_S, OTHER_KEY = 3.0, -0.3
SAME_ALIGNMENT = 0.1  # of a score of 0-1: equal there, but 0.015 where points were rounded before they were smoothed
FEW_ROWS = 48  # below, a column of chance may follow anything
NEARLY_EQUAL = 1e-4  # of a column's spread: rounding between two frames' own copies of one value

# pose_annotations.json; lengths in bodies are shares of the dancer's scale (checks/movement.py). "The dances": four of 144 frames,
# points by MediaPipe, unsmoothed
TIME_S = 0.001  # a timestamp beside i / fps
ROUNDED_PX = 0.01  # a point may lie this far outside the picture: coordinates are rounded
SEEN = 0.5  # confidence of a point that takes part in what is measured
SURE = 0.8  # confidence of a point that has to be right (the guide)
STANDS_STILL_PX = 0.5  # standard deviation of every point's place: 0.5 px or less is nobody; the stillest dance has 18 px
# A point that jumps this far and back in one frame: 0.03 at most of points surer than 0.8 in the dances; 1.07 of one that MediaPipe
# gave 0.74
JUMP_BODIES = 0.75
RANDOM_BODIES = 0.25  # median step of a frame: 0.004 to 0.024 in the dances, 1.5 of random points
REPEATED_SHARE = (0.1, 0.5)  # of the frames, points that are those of the frame before while the picture moved: warn, fail
# Of the triples of frames with movement, those in which all points move evenly along a line, as interpolation leaves them: none in the
# dances
STRAIGHT_SHARE = (0.05, 0.3)  # warn, fail
STRAIGHT_PX = 0.05  # beside the line: coordinates are rounded to 0.01 px
BONE_BODIES = 2.0  # no bone is so long: 0.99 at most
LONG_BONES_SHARE = 0.05  # of the frames
BONE_CHANGE = 0.15  # bodies a frame, median: 0.01 in the dances
OTHER_HAND_SHARE = 0.2  # of the frames in which a hand lies at the other wrist: 0
FLIP_BODIES = 0.15  # mean step of pairs of joints that exchanging left and right would halve, or more
FLIPS_SHARE = 0.05
BODY_POINTS = 8  # of the 18 that make a body
BODY_SHARE = (0.5, 0.9)  # of the frames with a body: fail, warn (m2p.min_body_frames)
LEGS_SHARE = 0.5  # of the frames with both legs, from hip to ankle: warn below
PCK_TORSO = 0.2  # of the torso's length: a point this near is found, COCO-WholeBody's and MPII's usual
# PCK against points found again, fail and warn: 1.00 in four samples of three dancers, 0.02 of random points
SAME_POINTS = (0.5, 0.8)
SIDES_MARGIN = 0.3  # by which exchanging left and right may not improve that PCK

# The body found again in a stretch of 24 frames and five single ones (checks/timing.py). "The cuts": eleven samples of four dancers as
# prepare wrote them, whole and upper bodies of 91 to 362 px, one dark, one of low resolution, one with fast movements
LOOKED_AT = 6  # frames, or limbs: fewer say nothing
SAME_BODY = 0.75  # bodies: median distance of shoulders, hips and limbs of one person; 2.3 where another dancer is found
FAR_BODIES = 0.5  # a limb further away counts as this far
MOVES_BODIES = 0.04  # mean distance of limbs from their middle, to tell when they are where: 0.051 to 0.21 in the cuts
# Of that distance, beside the line between the looks before and after: 0.3 to 0.7 in the cuts, 1.2 where a model finds something else
# each time
ROUGH = 0.95
LAG_FRAMES = 2  # by which points have to be late or early to fail; smoothing makes them late by less
# How many times further than at the best lag the limbs are at 0: 1.01 at most in the cuts, 1.33 at most in three dances filmed at 15
# frames a second; 1.54 to 3.9 with points 2 frames late or early in the cuts, 1.5 to 2.7 with one frame late, 2.9 to 7 with five
LAG_BETTER = 1.45
# Distance over movement, as the points lie and at the best lag: 0.16 to 0.49 in the cuts; with points reversed in time 1.0 to 1.4, and
# 0.5 to 1.05 at the best lag (else they seem late)
UNFOLLOWED, ELSEWHEN = 0.9, 0.6
# Size of the points over that of the body, 1 is right, warn and fail: 0.989 to 1.015 in the cuts, 0.89 to 0.913 drawn at 90 %
DRAWN_SCALE = (0.04, 0.07)
OFFSET_BODIES = 0.15  # median of all joints: 0.02 at most in the cuts
ASTRAY_BODIES = 0.5  # median distance of a joint that both models are sure of

# Parts (checks/parts.py), the same cuts
FROZEN_SHARE = (0.5, 0.8)  # of the steps of the joint beside, without one of its own, warn and fail: 0
PART_EXTENT = 0.04  # bodies, the larger side of a face or a hand: 0.25 of a face, 0.11 of a hand at least
PART_SHARE = 0.5  # of the frames
FACE_AWAY = 0.75  # extents of the face between its middle and that of nose and eyes: 0.18 to 0.42
HAND_AWAY = 0.5  # bodies between a hand's root and the wrist: 0.16 at most

# Squashed pictures, by faces: how many times too broad the picture is, from two ratios of the face mesh (eyes to mouth, width to height of
# the face), fitted on LFW10's photos squashed by known factors. Median of a video's frontal faces, 33 videos of 30 people
# (benchmarks/checks.py): 0.77 to 1.08 as they are; made broader by 4:3 1.09 to 1.58 (41 of 47 found), by 16:9 1.56 to 2.18 (all); made
# narrower by 3:4 0.57 to 0.80 (19 of 20 found), by 9:16 0.54 to 0.72 (all): the mesh leans to usual faces.
# log of the factor = first + second x log(eyes over eyes to mouth) + third x log(width over height)
FACE_FIT = (0.14, 0.75, 0.82)
FACE_BROADER, FACE_NARROWER = 1.15, 0.75
FRONTAL = 0.2  # nose tip beside the middle of the eyes, over the distance between them
LEVEL = (0.4, 0.65)  # height of the nose tip between eyes and mouth: a face that looks up or down, as dancers do, seems broad
FACE_PX = 12.0  # between the eyes
FACES = 3  # frames with such a face, at least
# Nine tenths of the frames' shoulder width over that of the torsos, warn and fail: 0.7 at most in the dances, 0.93 to 1.2 made broader by
# 16:9. Who leans forward all the time seems broad too.
SHOULDERS = (0.85, 1.05)
BAR_LEVEL = 40  # grey level of the bars of a letterbox, at most: black is 0 to 16, codecs ring beside edges
ASPECT = 0.02  # of a window's sides
