public import Bytes
internal import DequeModule

// What decides how a replica, or a node's liveness, goes on: for the exploration of small models, which
// treats two states with the same encoding as one.
//
// Moments are told relative to `now`, and long gone ones alike, so that a state that comes again later is
// known. Left out is what decides nothing that a model looks at: statistics, reasons of elections, bytes
// in memory, and the generator of random pauses: of states that differ only in it one is explored.
// A new field of either type belongs here; a test of `Exploration` knows their sizes.

extension RaftCore {
    /// Appends all that decides what this replica does from `now` on.
    ///
    /// Of the log the terms stand for the entries: a term has one leader, and an index in it one entry.
    public func encodeState(into buffer: inout ByteBuffer, now: Instant) {
        let clock = RelativeClock(now: now, horizon: configuration.electionTimeout)
        buffer.append(littleEndian: term)
        encode(vote, into: &buffer)
        encode(leader, into: &buffer)
        buffer.append(role.code)
        buffer.append(littleEndian: log.firstIndex)
        buffer.append(littleEndian: log.lastIndex)
        for index in log.firstIndex - 1..<log.lastIndex + 1 {
            buffer.append(littleEndian: log.term(at: index) ?? 0)
        }
        for index in [commit, verified, acknowledged, leaderCommit, termStartIndex] {
            buffer.append(littleEndian: index)
        }
        for round in [roundSeen, round, confirmedReadRound] { buffer.append(littleEndian: round) }
        for flag in [
            needsSnapshot, isOvertaken, votesWithoutState, isLogWhole, isMuted, replyOwed,
            isRemoved, mustLeave, leaseVoid, roundOpen,
        ] { buffer.append(flag ? 1 : 0) }
        for due in [probeAt, silentUntil, electionDeadline, knownLeaseEnd, quorumCheckAt] {
            clock.encode(due: due, into: &buffer)
        }
        clock.encode(due: changeCheckAt, into: &buffer)
        clock.encode(due: electionEnd ?? .distantFuture, into: &buffer)
        clock.encode(past: electedAt, into: &buffer)
        buffer.append(littleEndian: jitter.nanoseconds)
        for node in granted.sorted() + [NodeID(0)] + downLinks.sorted() {
            encode(node, into: &buffer)
        }
        encode(members, into: &buffer)
        encode(committedMembers, into: &buffer)
        encodeDurability(into: &buffer)
        encodeFollowed(clock, into: &buffer)
        for follower in progress { follower.encodeState(clock, into: &buffer) }
        encodeTransfer(clock, into: &buffer)
    }

    private func encodeDurability(into buffer: inout ByteBuffer) {
        buffer.append(littleEndian: durability.submittedTerm)
        encode(durability.submittedVote, into: &buffer)
        buffer.append(littleEndian: durability.submittedIndex)
        buffer.append(littleEndian: durability.index)
        buffer.append(littleEndian: durability.truncateFrom ?? 0)
        buffer.append(littleEndian: durability.start?.index ?? 0)
        // Tickets only matter by how far they are ahead of what is durable.
        func encodeTicket(_ ticket: IOTicket, into buffer: inout ByteBuffer) {
            let ahead = ticket == .max ? ticket : max(ticket, durability.ticket) - durability.ticket
            buffer.append(littleEndian: ahead)
        }
        encodeTicket(durability.lastTicket, into: &buffer)
        encodeTicket(durability.hardStateTicket, into: &buffer)
        for pending in durability.appends {
            encodeTicket(pending.ticket, into: &buffer)
            buffer.append(littleEndian: pending.last)
        }
        buffer.append(UInt8(truncatingIfNeeded: held.count))
        for waiting in held {
            encodeTicket(waiting.ticket, into: &buffer)
            encode(waiting.outbound.to, into: &buffer)
            waiting.outbound.message.encode(into: &buffer)
        }
    }

    private func encodeFollowed(_ clock: RelativeClock, into buffer: inout ByteBuffer) {
        encode(followed?.leader, into: &buffer)
        guard let followed else { return }
        buffer.append(littleEndian: followed.boot ?? 0)
        buffer.append(littleEndian: followed.quoted ?? 0)
        buffer.append(followed.gone ? 1 : 0)
        clock.encode(past: followed.since, into: &buffer)
    }

    private func encodeTransfer(_ clock: RelativeClock, into buffer: inout ByteBuffer) {
        encode(transfer?.target, into: &buffer)
        if let transfer {
            clock.encode(due: transfer.deadline, into: &buffer)
            clock.encode(due: transfer.resendAt ?? .distantFuture, into: &buffer)
        }
        buffer.append(change == nil ? 0 : change?.failure == nil ? 1 : 2)
    }

    private func encode(_ node: NodeID?, into buffer: inout ByteBuffer) {
        buffer.append(littleEndian: node?.raw ?? .max)
    }

    private func encode(_ members: GroupMembers, into buffer: inout ByteBuffer) {
        buffer.append(littleEndian: members.since)
        members.encode(into: &buffer)
    }
}

extension Progress {
    fileprivate func encodeState(_ clock: RelativeClock, into buffer: inout ByteBuffer) {
        buffer.append(state == .probe ? 1 : state == .replicate ? 2 : 3)
        for value in [
            match, next, commitSent, commitKnown, roundSent, roundAcknowledged, followEpoch,
            snapshotFloor, fetch ?? 0,
        ] { buffer.append(littleEndian: value) }
        for flag in [probeSent, probeEmpty, heartbeatWanted, linkUp, snapshotAsked, snapshotFailed]
        {
            buffer.append(flag ? 1 : 0)
        }
        for sent in inflight { buffer.append(littleEndian: sent.last) }
        clock.encode(past: waitingSince ?? .distantFuture, into: &buffer)
        clock.encode(due: fetchNotBefore ?? .distantFuture, into: &buffer)
        clock.encode(due: snapshotNotBefore ?? .distantFuture, into: &buffer)
        buffer.append(littleEndian: recovery?.boot ?? 0)
        buffer.append(littleEndian: recovery?.upTo ?? 0)
        buffer.append(recovery?.isOver ?? false ? 1 : 0)
        buffer.append(littleEndian: catchUp?.upTo ?? 0)
        clock.encode(past: catchUp?.began ?? .distantFuture, into: &buffer)
        buffer.append(catchUp?.isQuick ?? false ? 1 : 0)
    }
}

extension RaftRole {
    fileprivate var code: UInt8 {
        switch self {
        case .follower: 1
        case .preCandidate: 2
        case .candidate: 3
        case .leader: 4
        }
    }
}

extension PairLiveness {
    /// Appends all that decides what this node promises and believes from `now` on, but for the comparison
    /// of clocks, which says nothing within its first seconds.
    public func encodeState(into buffer: inout ByteBuffer, now: Instant) {
        let clock = RelativeClock(now: now, horizon: promise)
        for peer in snapshotOfPeers() {
            buffer.append(littleEndian: peer.id.raw)
            for value in [peer.boot ?? 0, peer.followEpoch, peer.peerBoot, peer.leaseEpoch] {
                buffer.append(littleEndian: value)
            }
            buffer.append(peer.isRetired ? 1 : 0)
            clock.encode(past: peer.lastHeard ?? .distantFuture, into: &buffer)
            clock.encode(past: peer.acknowledgedSend ?? .distantFuture, into: &buffer)
            clock.encode(due: peer.promisedUntil, into: &buffer)
            clock.encode(due: peer.promisedBeforeUntil, into: &buffer)
            clock.encode(due: peer.leaseEnd ?? .distantFuture, into: &buffer)
        }
    }
}

/// Moments as seen from now.
private struct RelativeClock {
    let now: Instant
    /// The longest time after which a moment still decides something.
    let horizon: Interval

    /// Something that is due then: all that is due already is due alike.
    func encode(due: Instant, into buffer: inout ByteBuffer) {
        if due == .distantFuture {
            buffer.append(littleEndian: Int64.max)
        } else {
            buffer.append(littleEndian: due <= now ? 0 : (due - now).nanoseconds)
        }
    }

    /// Something that happened then, and counts for a while.
    func encode(past: Instant, into buffer: inout ByteBuffer) {
        guard past != .distantFuture else {
            buffer.append(littleEndian: Int64.max)
            return
        }
        let ago = min(now.nanoseconds - past.nanoseconds, 2 * horizon.nanoseconds)
        buffer.append(littleEndian: ago)
    }
}
