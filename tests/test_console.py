"""How far a training is, in words."""

import logging

import pytest

from onscreen.console import EpochLog


def test_epochs_are_told_with_losses_and_time_left(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "onscreen"):
        tell = EpochLog("train", 10, done=2, every_s=0.0)
        for epoch in range(2):  # an earlier run's, which are not news
            tell(epoch, {"train_loss": 9.0})
        tell(2, {"train_loss": 2.5})
        tell(9, {"train_loss": 1.25, "val_loss": 2.0})
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "train: epoch 3 of 10, train loss 2.5, at most about 0 s left",
        "train: epoch 10 of 10, train loss 1.25, validation loss 2, at most about 0 s left",
    ]


def test_a_quick_training_is_not_told_epoch_by_epoch(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "onscreen"):
        tell = EpochLog("train", 10, done=0)
        tell(0, {"train_loss": 2.5})
    assert not caplog.records
