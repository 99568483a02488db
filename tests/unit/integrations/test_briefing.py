"""The briefing: everything there is to know, nothing that is empty."""

from integrations.briefing import briefing


def test_each_part_is_a_paragraph_and_what_is_empty_is_left_out() -> None:
    said = [{"score": 2, "words": "Tři týdny nic."}, {"score": 0, "words": None}]
    told = briefing(
        {
            "customer": {"ref": "C-1", "phone": None, "dedicated_agent": "", "no_automatic_contact": True},
            "said": said,
            "cases": [],
            "waiting_minutes": 15,
            "labels": ["a", ["b", "c"]],
        }
    )
    assert told.split("\n\n") == [
        "customer\n  ref: C-1\n  no automatic contact: yes",
        "said\n  - score: 2, words: Tři týdny nic.\n  - score: 0",
        "waiting minutes\n  15",
        "labels\n  - a\n  - b; c",
    ]
    assert briefing({}) == briefing({"customer": {}}) == ""
