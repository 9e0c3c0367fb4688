from __future__ import annotations

from exporter.bpf.reasons import Reasons


def test_reasons_lose_their_prefix_and_numbers_without_a_name_stay_numbers() -> None:
    names = Reasons({"SKB_CONSUMED": 1, "SKB_DROP_REASON_NO_SOCKET": 3}, ("SKB_DROP_REASON_",))

    assert [names[number] for number in (1, 3, 137, 65537)] == [
        "SKB_CONSUMED",
        "NO_SOCKET",
        "reason_137",
        "reason_65537",
    ]
