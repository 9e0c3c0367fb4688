"""What procfs calls the counters that the kernel's own enums name otherwise.

The enums are those of include/uapi/linux/snmp.h, the columns those of /proc/net/snmp, netstat and snmp6, for Linux
5.10 to 7.3. A column may have had several kernel names; the first one that the running kernel knows counts.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple


class Mib(NamedTuple):
    """Where the columns of one section come from.

    Args:
        field: the array in `struct row` of bpf/netns_scan.bpf.c.
        prefix: what the names of the kernel's enum begin with.
        names: by column, the rest of the enum's name, and those of other kernels.
    """

    field: str
    prefix: str
    names: dict[str, tuple[str, ...]]


def _alike(columns: str) -> dict[str, tuple[str, ...]]:
    """Columns that the enum spells alike, in capitals."""
    return {column: (column.upper(),) for column in columns.split()}


def _prefixed(prefix: str, names: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {prefix + column: kernel for column, kernel in names.items()}


_IP: Final = _alike(
    """
    InHdrErrors InAddrErrors InUnknownProtos InDiscards InDelivers OutDiscards OutNoRoutes
    ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates
    """
) | {
    "InReceives": ("INPKTS",),
    "OutRequests": ("OUTREQUESTS", "OUTPKTS"),  # since Linux 6.8 what was asked for and what left are two numbers
    "OutTransmits": ("OUTPKTS",),
}
_IP_EXT: Final = _alike(
    """
    InNoRoutes InTruncatedPkts InMcastPkts OutMcastPkts InBcastPkts OutBcastPkts InOctets OutOctets
    InMcastOctets OutMcastOctets InBcastOctets OutBcastOctets
    """
) | {
    "InNoECTPkts": ("NOECTPKTS",),
    "InECT1Pkts": ("ECT1PKTS",),
    "InECT0Pkts": ("ECT0PKTS",),
    "InCEPkts": ("CEPKTS",),
}
_IP6: Final = _IP | _IP_EXT | {"InTooBigErrors": ("INTOOBIGERRORS",), "OutForwDatagrams": ("OUTFORWDATAGRAMS",)}
_CHECKSUM: Final = {"InCsumErrors": ("CSUMERRORS",)}
_UDP: Final = (
    _alike("InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors IgnoredMulti MemErrors") | _CHECKSUM
)
_ICMP6: Final = _alike("InMsgs InErrors OutMsgs OutErrors") | _CHECKSUM | {"OutRateLimitHost": ("RATELIMITHOST",)}
_LINUX: Final = _alike(
    """
    SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts PruneCalled RcvPruned OfoPruned OutOfWindowIcmps
    LockDroppedIcmps ArpFilter TSEcrRejected DelayedACKs DelayedACKLocked DelayedACKLost ListenOverflows ListenDrops
    TCPHPHits TCPPureAcks TCPHPAcks TCPRenoRecovery TCPSackRecovery TCPSACKReneging TCPSACKReorder TCPRenoReorder
    TCPTSReorder TCPFullUndo TCPPartialUndo TCPDSACKUndo TCPLossUndo TCPLostRetransmit TCPRenoFailures
    TCPSackFailures TCPLossFailures TCPFastRetrans TCPSlowStartRetrans TCPTimeouts TCPLossProbes
    TCPLossProbeRecovery TCPRenoRecoveryFail TCPSackRecoveryFail TCPRcvCollapsed TCPBacklogCoalesce TCPDSACKOldSent
    TCPDSACKOfoSent TCPDSACKRecv TCPDSACKOfoRecv TCPAbortOnData TCPAbortOnClose TCPAbortOnMemory TCPAbortOnTimeout
    TCPAbortOnLinger TCPAbortFailed TCPMemoryPressures TCPMemoryPressuresChrono TCPSACKDiscard TCPDSACKIgnoredOld
    TCPDSACKIgnoredNoUndo TCPSpuriousRTOs TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure TCPBacklogDrop
    PFMemallocDrop TCPMinTTLDrop TCPDeferAcceptDrop TCPTimeWaitOverflow TCPReqQFullDoCookies TCPReqQFullDrop
    TCPRetransFail TCPRcvCoalesce TCPOFOQueue TCPOFODrop TCPOFOMerge TCPChallengeACK TCPSYNChallenge
    TCPFastOpenActive TCPFastOpenActiveFail TCPFastOpenPassive TCPFastOpenPassiveFail TCPFastOpenListenOverflow
    TCPFastOpenCookieReqd TCPFastOpenBlackhole BusyPollRxPackets TCPAutoCorking TCPFromZeroWindowAdv
    TCPToZeroWindowAdv TCPWantZeroWindowAdv TCPSynRetrans TCPOrigDataSent TCPHystartTrainDetect TCPHystartTrainCwnd
    TCPHystartDelayDetect TCPHystartDelayCwnd TCPACKSkippedSynRecv TCPACKSkippedPAWS TCPACKSkippedSeq
    TCPACKSkippedFinWait2 TCPACKSkippedTimeWait TCPACKSkippedChallenge TCPWinProbe TCPKeepAlive TCPMTUPFail
    TCPMTUPSuccess TCPDelivered TCPDeliveredCE TCPAckCompressed TCPZeroWindowDrop TCPRcvQDrop TCPWqueueTooBig
    TCPFastOpenPassiveAltKey TcpTimeoutRehash TcpDuplicateDataRehash TCPDSACKRecvSegs TCPDSACKIgnoredDubious
    TCPMigrateReqSuccess TCPMigrateReqFailure TCPPLBRehash TCPAORequired TCPAOBad TCPAOKeyNotFound TCPAOGood
    TCPAODroppedIcmps
    """
)
_LINUX_OTHERWISE: Final = {
    "TW": "TIMEWAITED",
    "TWRecycled": "TIMEWAITRECYCLED",
    "TWKilled": "TIMEWAITKILLED",
    "PAWSActive": "PAWSACTIVEREJECTED",
    "PAWSEstab": "PAWSESTABREJECTED",
    "BeyondWindow": "BEYOND_WINDOW",
    "PAWSOldAck": "PAWS_OLD_ACK",
    "PAWSTimewait": "PAWS_TW_REJECTED",
    "TCPSackShifted": "SACKSHIFTED",
    "TCPSackMerged": "SACKMERGED",
    "TCPSackShiftFallback": "SACKSHIFTFALLBACK",
    "IPReversePathFilter": "IPRPFILTER",
    "TCPSpuriousRtxHostQueues": "TCPSPURIOUS_RTX_HOSTQUEUES",
}

# Section -> its counters. /proc/net/snmp6 has no sections: its columns say themselves what they belong to.
SECTIONS: Final[dict[str, tuple[Mib, ...]]] = {
    "Ip": (Mib("ip", "IPSTATS_MIB_", _IP | {"ForwDatagrams": ("OUTFORWDATAGRAMS",)}),),
    "IpExt": (Mib("ip", "IPSTATS_MIB_", _IP_EXT | _CHECKSUM | {"ReasmOverlaps": ("REASM_OVERLAPS",)}),),
    "Icmp": (Mib("icmp", "ICMP_MIB_", _ICMP6 | {"OutRateLimitGlobal": ("RATELIMITGLOBAL",)}),),
    "Tcp": (
        Mib(
            "tcp",
            "TCP_MIB_",
            _alike(
                "ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts"
            )
            | _CHECKSUM,
        ),
    ),
    "Udp": (Mib("udp", "UDP_MIB_", _UDP),),
    "TcpExt": (Mib("linux_", "LINUX_MIB_", _LINUX | {name: (it,) for name, it in _LINUX_OTHERWISE.items()}),),
    "snmp6": (
        Mib("ip6", "IPSTATS_MIB_", _prefixed("Ip6", _IP6)),
        Mib("icmp6", "ICMP6_MIB_", _prefixed("Icmp6", _ICMP6)),
        Mib("udp6", "UDP_MIB_", _prefixed("Udp6", _UDP)),
    ),
}

_ICMP_TYPES: Final = {
    "EchoReps": 0,
    "DestUnreachs": 3,
    "SrcQuenchs": 4,
    "Redirects": 5,
    "Echos": 8,
    "TimeExcds": 11,
    "ParmProbs": 12,
    "Timestamps": 13,
    "TimestampReps": 14,
    "AddrMasks": 17,
    "AddrMaskReps": 18,
}
_ICMP6_ERRORS: Final = {"DestUnreachs": 1, "PktTooBigs": 2, "TimeExcds": 3, "ParmProblems": 4}
_ICMP6_INFO: Final = {  # counted from type 128
    "Echos": 0,
    "EchoReplies": 1,
    "GroupMembQueries": 2,
    "GroupMembResponses": 3,
    "GroupMembReductions": 4,
    "RouterSolicits": 5,
    "RouterAdvertisements": 6,
    "NeighborSolicits": 7,
    "NeighborAdvertisements": 8,
    "Redirects": 9,
    "MLDv2Reports": 15,
}

# Section -> column -> array in `struct row` and place in it: numbers whose place no enum of the kernel tells.
PLACES: Final[dict[str, dict[str, tuple[str, int]]]] = {
    "Ip": {"Forwarding": ("forwarding", 0), "DefaultTTL": ("default_ttl", 0)},
    "Icmp": {
        way + column: (f"icmp_{way.lower()}", number) for way in ("In", "Out") for column, number in _ICMP_TYPES.items()
    },
    "snmp6": {
        f"Icmp6{way}{column}": (f"icmp6_{way.lower()}_{group}", number)
        for way in ("In", "Out")
        for group, types in (("errors", _ICMP6_ERRORS), ("info", _ICMP6_INFO))
        for column, number in types.items()
    },
}

# These may fall, so that a number read between two others need not lie between them.
FALLING: Final = frozenset({"CurrEstab", "Forwarding", "DefaultTTL"})


@cache
def columns(section: str) -> frozenset[str]:
    """All columns of a section that any kernel may count."""
    of_enums = (column for mib in SECTIONS.get(section, ()) for column in mib.names)
    return frozenset((*of_enums, *PLACES.get(section, {})))
