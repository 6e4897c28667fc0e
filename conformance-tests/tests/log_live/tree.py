"""Builds the tree of a log with pymerkle.

Reads a JSON object from the file that is named: `entries` (hexadecimal) and `sizes`. Writes one:
`leaves` and `roots` (one for each size), and `paths`, the inclusion path of each entry in the last
size without the leaf that pymerkle puts in front, all in hexadecimal.
"""

import json
import sys

from pymerkle import InmemoryTree

with open(sys.argv[1]) as file:
    asked = json.load(file)
tree = InmemoryTree(algorithm="sha256")
for entry in asked["entries"]:
    tree.append_entry(bytes.fromhex(entry))
last = asked["sizes"][-1]
indexes = range(1, len(asked["entries"]) + 1)
json.dump(
    {
        "leaves": [tree.get_leaf(index).hex() for index in indexes],
        "roots": [tree.get_state(size).hex() for size in asked["sizes"]],
        "paths": [
            [step.hex() for step in tree.prove_inclusion(index, last).path[1:]]
            for index in indexes
        ],
    },
    sys.stdout,
)
