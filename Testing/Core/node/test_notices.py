"""What happens many times a second is told once."""

from __future__ import annotations

from MSLesionSegLib.node.notices import Notices


def test_a_sentence_is_told_once_and_nothing_is_told_of_nothing():
    notices = Notices()
    for sentence in ("no room", "", "no room", "refused"):
        notices.tell(sentence)
    assert list(notices) == ["no room", "refused"]
    notices.tell("no room")
    assert list(notices) == []
