internal import Bytes
internal import Configuration
internal import PeerProtocol
internal import Raft

// Reads that a follower answers itself, linearizable all the same (ReadIndex; thesis, 6.4).
//
// The reads that arrived in a turn wait in the follower's own backlog. At its end the follower asks the
// leader once for all of them. The leader answers with what is committed, after it has made sure that
// it leads: by its lease, on a clock reading taken after the question came, or by a round that began
// after. What was acknowledged to anybody before the reads arrived is committed by then. The follower
// answers when it has applied that much.
//
// Expiry: the leader's answer brings its clock along. A key that is past due by it and not by the log
// makes the follower ask again, with the wish that the log's time be moved: so a key that was seen
// expired anywhere does not come back here. That answer's index is behind the time entry, and its clock
// is the entry's: executed with both, no read meets such a key a second time.
//
// A question or an answer that is lost is asked again as all forwarded reads are (`Route.restart`): the
// reads enter the backlog a second time, and the first answer of each counts.

extension NodeState {
    /// Whether a read of this session is for this node's own replica.
    func readsNear(_ session: borrowing Session, _ group: Int) -> Bool {
        (session.readsNear || configuration.followerReads) && group < replicas.count
            && replicas[group].core.role != .leader && replicas[group].load == nil
            && !replicas[group].lacksState
    }

    // MARK: The follower

    /// Asks the leader for the index that the turn's reads wait for.
    mutating func askForIndex(_ group: Int) {
        guard replicas[group].backlog.waiting > 0, let target = routes[group].target,
            target.node != id, let link = links.index(to: target.node)
        else { return }
        replicas[group].readIndex.asked += 1
        let number = replicas[group].readIndex.asked
        replicas[group].backlog.assign(round: number, index: .max)
        links[link].closeReplies()
        links[link].client.open(.readIndex)
        links[link].client.bytes.append(varint: UInt64(group))
        links[link].client.bytes.append(varint: target.term)
        links[link].client.bytes.append(varint: routes[group].nearReads.stream)
        links[link].client.bytes.append(varint: number)
        links[link].client.bytes.append(UInt8(replicas[group].readIndex.isTimeWanted ? 1 : 0))
        links[link].client.close()
        links.markFlushing(link)
        replicas[group].readIndex.isTimeWanted = false
    }

    /// The leader's answer. One that is late, or was asked for under another leader, is as true as any:
    /// it says what was committed after the question.
    mutating func receiveIndex(_ reader: inout ByteReader, group: Int) throws(DecodeError) {
        let number = try reader.readVarint()
        let index = try reader.readVarint()
        let clock = try reader.read(Int64.self)
        guard number <= replicas[group].readIndex.asked else {
            throw .invalid("an answer to no question")
        }
        guard replicas[group].core.role != .leader else { return }
        replicas[group].backlog.confirm(round: number, index: index, clock: clock)
    }

    /// Answers the reads whose index is applied.
    mutating func serveNearReads(_ group: Int) {
        guard replicas[group].load == nil, !replicas[group].lacksState else { return }
        let awaited = replicas[group].serveBacklog(
            confirmed: .max, clock: nil, decoder: &decoder, random: &random)
        guard awaited != nil else { return }
        replicas[group].readIndex.isTimeWanted = true
        replicas[group].backlog.forgetRounds()
    }

    // MARK: The leader

    /// Questions of all followers that may wait in one group; beyond it the oldest are dropped, and
    /// asked again.
    private static let indexRequestsMax = 256

    mutating func receiveIndexRequest(
        _ reader: inout ByteReader, group: Int, from peer: NodeID, link: Int
    ) throws(DecodeError) {
        let term = try reader.readVarint()
        let stream = try reader.readVarint()
        let number = try reader.readVarint()
        let flags = try reader.read(UInt8.self)
        guard flags <= 1 else { throw .invalid("read index flags") }
        guard leads(group, in: term) else {
            sendForwardRefused(link, group: group, term: term, stream: stream)
            return
        }
        if replicas[group].indexRequests.count >= Self.indexRequestsMax {
            replicas[group].indexRequests.removeFirst()
        }
        replicas[group].indexRequests.append(
            IndexRequest(peer: peer, number: number, index: flags == 1 ? .max : 0, clock: 0))
    }

    /// At the end of a turn: the questions that came in it get what is committed, at once if the lease
    /// holds now, else when the round that begins now is confirmed. Those that wish for a time entry
    /// wait for another turn when the core takes none now.
    mutating func confirmIndexRequests(_ group: Int, now: ClockReading) {
        guard replicas[group].core.committedInTerm,
            replicas[group].indexRequests.contains(where: { $0.round == 0 })
        else { return }
        let wishes = replicas[group].indexRequests.contains { $0.round == 0 && $0.index == .max }
        // Up to this moment, even if an older one is under way: the reads came behind that.
        let isTimed = !wishes || proposeTime(group, upTo: now.wall, now: now)
        guard
            isTimed
                || replicas[group].indexRequests.contains(where: { $0.round == 0 && $0.index == 0 })
        else { return }
        let hasLease = replicas[group].core.holdsLease(now: now.boot, liveness: liveness)
        let round = hasLease ? 0 : replicas[group].core.beginReadRound()
        for at in replicas[group].indexRequests.indices
        where replicas[group].indexRequests[at].round == 0 {
            var request = replicas[group].indexRequests[at]
            if request.index == .max, !isTimed { continue }
            request.clock = now.wall
            request.index =
                request.index == .max
                ? replicas[group].core.lastIndex : replicas[group].core.commit
            request.round = round
            replicas[group].indexRequests[at] = request
            if hasLease { answer(request, group) }
        }
        if hasLease {
            replicas[group].indexRequests.removeAll { $0.round == 0 && $0.index != .max }
        }
    }

    /// Answers the questions whose round is confirmed.
    mutating func answerIndexRequests(_ group: Int, now: ClockReading) {
        guard !replicas[group].indexRequests.isEmpty else { return }
        let confirmed = replicas[group].core.confirmedReadRound
        for request in replicas[group].indexRequests
        where request.round > 0 && request.round <= confirmed {
            answer(request, group)
        }
        replicas[group].indexRequests.removeAll { $0.round > 0 && $0.round <= confirmed }
    }

    private mutating func answer(_ request: IndexRequest, _ group: Int) {
        guard let link = links.index(to: request.peer) else { return }
        links[link].closeReplies()
        links[link].client.open(.readIndexReply)
        links[link].client.bytes.append(varint: UInt64(group))
        links[link].client.bytes.append(varint: request.number)
        links[link].client.bytes.append(varint: request.index)
        links[link].client.bytes.append(littleEndian: request.clock)
        links[link].client.close()
        links.markFlushing(link)
    }
}
