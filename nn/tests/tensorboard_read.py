"""Reads a journal's event file with PyPI's tensorboard and prints what it found.

    pip install tensorboard
    JOURNAL_DIR=target/journal cargo test -p etude-nn --test it -- --ignored a_journal_for_tensorboard
    python nn/tests/tensorboard_read.py target/journal/run

Fails unless scalars, picture and text are those that the test noted.
"""

import sys

from tensorboard.backend.event_processing import event_accumulator

accumulator = event_accumulator.EventAccumulator(sys.argv[1]).Reload()
tags = accumulator.Tags()
print("tags:", {kind: names for kind, names in tags.items() if names})
scalars = [(event.step, event.value) for event in accumulator.Scalars("train/loss")]
print("scalars:", scalars)
assert scalars == [(step, 1 / (step + 1)) for step in (0, 1, 3, 7)], scalars
[image] = accumulator.Images("sample")
print("image:", image.step, image.width, image.height, len(image.encoded_image_string), "bytes")
assert (image.step, image.width, image.height) == (7, 3, 2)
[text] = accumulator.Tensors("said")
print("text:", text.step, text.tensor_proto.string_val)
assert text.tensor_proto.string_val[0].decode() == "To be, or *not* to be: ä"
assert accumulator.SummaryMetadata("said").plugin_data.plugin_name == "text"
print("ok")
