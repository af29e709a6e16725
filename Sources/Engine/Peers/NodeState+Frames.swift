internal import Bytes
internal import Commands
internal import Configuration
internal import PeerProtocol
internal import RESP
internal import Raft

/// What arrives on links.
extension NodeState {
    mutating func linkOpened(_ id: LinkID, dialed: NodeID?, now: ClockReading) {
        links.open(id, dialed: dialed, now: now.boot)
        guard let index = links.index(of: id) else { invariantFailed("a link was not opened") }
        if dialed == nil, links.strangers > EngineLimits.strangerLinksMax {
            links.closeAfterFlush(index)
        } else if isStarted {
            sendHello(index)
        }
    }

    /// Ends the links that did not introduce themselves in time.
    mutating func closeStrangers(now: ClockReading) {
        for index in links.openIndices
        where links[index].peer == nil && !links[index].isClosing
            && links[index].openedAt
                + (links[index].applicant == nil
                    ? EngineLimits.helloTime : EngineLimits.applicantTime) <= now.boot
        {
            links.closeAfterFlush(index)
        }
    }

    mutating func linkClosed(_ id: LinkID, dialed: NodeID?, now: ClockReading) {
        let peer = links.index(of: id).flatMap { links[$0].peer ?? links[$0].dialed } ?? dialed
        links.remove(id)
        if let dialed { meetingLost(dialed, now: now) }
        guard let peer, let at = peerIndex(peer) else { return }
        if peers[at].link == id {
            peers[at].link = nil
            peers[at].unlinkedSince = now.boot
            if peers[at].lastRefusal.isEmpty {
                log(.notice, "peer-disconnected peer=\(peers[at].name)")
            }
            stopSending(to: peer)
            for group in 0..<replicas.count { replicas[group].core.linkDown(peer) }
            // Without a link this node leads that peer nowhere, and must not bind it by pings.
            liveness.linkDown(to: peer, now: now.boot)
            for group in 0..<routes.count where routes[group].target?.node == peer {
                routes[group].restart(now: now.boot)
            }
        }
        // Not when another link took this one's place: the two would end each other for ever.
        nodesCheckAt = now.boot
        if self.id < peer, peers[at].link == nil, expulsion == nil, !peers[at].isReplaced {
            peers[at].dialAt = now.boot + peers[at].backoff
            let longer = Interval(nanoseconds: peers[at].backoff.nanoseconds * 2)
            peers[at].backoff = min(longer, PeerState.backoffMax)
        }
    }

    /// Takes bytes from a link, frame by frame. A peer that does not speak the protocol is cut off.
    mutating func receive(
        _ bytes: Span<UInt8>, link id: LinkID, sessions: inout SessionTable, now: ClockReading
    ) {
        guard let index = links.index(of: id), !links[index].isClosing else { return }
        statistics.peerBytesReceived += bytes.count
        var input = links[index].input.take()
        input.append(bytes)
        var offset = 0
        do throws(FrameError) {
            while let frame = try PeerFrame(in: input.readable.extracting(offset..<input.count)) {
                offset += frame.length
                try receive(frame, link: index, sessions: &sessions, now: now)
                if links[index].isClosing { break }
            }
        } catch {
            log(.warning, "peer-protocol-error link=\(id.raw) error=\"\(error)\"")
            links.closeAfterFlush(index)
        }
        input.consume(offset)
        if input.isEmpty { input.removeAll(keepingCapacityUpTo: 1 << 20) }
        links[index].input = input
    }

    private mutating func receive(
        _ frame: PeerFrame, link index: Int, sessions: inout SessionTable, now: ClockReading
    ) throws(FrameError) {
        do throws(DecodeError) {
            switch frame.kind {
            case .hello:
                let hello = try Hello(decoding: frame.body)
                if let peer = links[index].peer {
                    try renew(hello, of: peer)
                    return
                }
                if admit(hello, link: index, now: now) { linkAdmitted(index, now: now) }
                return
            case .refused:
                refused(by: index, reason: frame.body.text)
                links.closeAfterFlush(index)
                return
            case .welcome:
                try receiveWelcome(frame.body, link: index, now: now)
                return
            case .farewell:
                receiveFarewell(try Farewell(decoding: frame.body), link: index, now: now)
                return
            default:
                break
            }
            // Of somebody who counts this node as a member before it knows that it is one.
            if links[index].applicant != nil { return }
            guard let peer = links[index].peer, let at = peerIndex(peer) else {
                throw .invalid("frame before hello")
            }
            noteAcceptance(by: at)
            var reader = ByteReader(frame.body)
            guard let group = Int(exactly: try reader.readVarint()) else { throw .invalid("group") }
            // A group that this node does not have yet: genesis is still on its way here.
            guard group < replicas.count, muteReason == nil else { return }
            switch frame.kind {
            case .hello, .refused, .welcome, .farewell: break
            case .request: try receiveRequest(&reader, group: group, now: now)
            case .raft: try receiveRaft(&reader, group: group, from: peer, now: now)
            case .forward: try receiveForward(frame.body, from: at, link: index, now: now)
            case .forwardRead: try receiveReads(frame.body, from: at, link: index, now: now)
            case .fragment: try receiveFragment(&reader, group: group, from: at, now: now)
            case .fragmentApplied:
                let header = try FragmentHeader(from: &reader)
                fragmentApplied(group, command: header.command, upTo: header.offset, now: now)
            case .reply:
                try receiveReplies(
                    &reader, group: group, queue: .writes, link: links[index].id, &sessions,
                    now: now)
            case .readReply:
                try receiveReplies(
                    &reader, group: group, queue: .reads, link: links[index].id, &sessions,
                    now: now)
            case .forwardRefused: try receiveRefusal(&reader, group: group, now: now)
            case .snapshotPiece:
                var whole = ByteReader(frame.body)
                try receiveSnapshotPiece(&whole, from: peer, now: now)
            case .snapshotProgress:
                var whole = ByteReader(frame.body)
                try receiveSnapshotProgress(&whole, from: peer, now: now)
            case .auditDigest:
                var whole = ByteReader(frame.body)
                try receiveAuditDigest(&whole, from: peer, now: now)
            case .diverged:
                let index = try reader.readVarint()
                guard replicas[group].core.leader == peer else { return }
                diverged(group, at: index, now: now)
            case .readIndex: try receiveIndexRequest(&reader, group: group, from: peer, link: index)
            case .readIndexReply: try receiveIndex(&reader, group: group)
            case .snapshotTurn:
                try receiveSnapshotTurn(&reader, group: group, from: peer, now: now)
            }
        } catch {
            throw .body(error)
        }
    }

    /// A peer is there (again): whatever was under way to it is lost.
    mutating func linkAdmitted(_ index: Int, now: ClockReading) {
        guard let peer = links[index].peer else { return }
        liveness.linkUp(to: peer)
        tellMap(index)
        let mayLack = peerIndex(peer).flatMap { peers[$0].hello?.mayLackEntries } ?? false
        for group in 0..<replicas.count {
            replicas[group].core.linkUp(peer, withGaps: mayLack)
            if routes[group].target?.node == peer { routes[group].restart(now: now.boot) }
        }
    }

    // MARK: Consensus

    private mutating func receiveRaft(
        _ reader: inout ByteReader, group: Int, from peer: NodeID, now: ClockReading
    ) throws(DecodeError) {
        let message = try RaftMessage.decode(&reader)
        let rest = reader.remaining
        let records = try reader.readBytes(rest)
        try replicas[group].receive(
            message, records: records, from: peer, now: now.boot, liveness: liveness)
    }

    // MARK: At the leader

    func leads(_ group: Int, in term: Term) -> Bool {
        replicas[group].core.role == .leader && replicas[group].core.term == term
    }

    private mutating func receiveForward(
        _ body: Span<UInt8>, from at: Int, link: Int, now: ClockReading
    ) throws(DecodeError) {
        var reader = ByteReader(body)
        let header = try ForwardHeader(from: &reader)
        let group = Int(header.group)
        guard leads(group, in: header.term) else {
            sendForwardRefused(link, group: group, term: header.term, stream: header.stream)
            return
        }
        let run = try checkedRun(&reader, from: at, isRead: false)
        switch peers[at].inbound[group].writes.judge(header, boot: peers[at].hello?.boot ?? 0) {
        case .ignore: return
        case .gap:
            sendForwardRefused(link, group: group, term: header.term, stream: header.stream)
            return
        case .take: beginStream(header, .reply, link: link)
        }
        if outrunsSnapshot(group) || !addProposal(group, run: run, queuedAt: nil, now: now) {
            peers[at].inbound[group].writes.spoil()
            sendForwardRefused(link, group: group, term: header.term, stream: header.stream)
        }
    }

    /// With a new stream its origin asks for everything anew that it has no whole answer to: large answers
    /// that wait to be sent would come twice.
    private mutating func beginStream(_ header: ForwardHeader, _ kind: PeerFrameKind, link: Int) {
        if header.position == 0 { links[link].dropBulk(kind, group: header.group) }
    }

    /// The rest of a forward frame as a run of the peer's own commands, checked to its end: what is
    /// copied into an entry must be readable on every replica for ever.
    @_lifetime(copy reader)
    private func checkedRun(
        _ reader: inout ByteReader, from at: Int, isRead: Bool
    ) throws(DecodeError) -> Span<UInt8> {
        let rest = reader.remaining
        guard rest <= EngineLimits.batchBytesMax + RunHeader.encodedBytesMax else {
            throw .invalid("run size")
        }
        let run = try reader.readBytes(rest)
        var check = ByteReader(run)
        let header = try RunHeader(from: &check)
        guard header.origin.node == peers[at].id.raw,
            header.origin.boot == peers[at].hello?.boot
        else { throw .invalid("origin") }
        for _ in 0..<header.count {
            let command = try LoggedCommand(from: &check)
            try checkCommand(command, isRead: isRead)
        }
        guard check.remaining == 0 else { throw .invalid("run length") }
        return run
    }

    private func checkCommand(
        _ command: borrowing LoggedCommand, isRead: Bool
    ) throws(DecodeError) {
        if command.flags.contains(.large) {
            guard !isRead else { throw .invalid("large read") }
            _ = try LargeReference(decoding: command.arguments)
            return
        }
        var decoder = ArgumentDecoder()
        let length = try decoder.decode(command.arguments)
        let request = decoder.request(over: command.arguments)
        guard length == command.arguments.count else { throw .invalid("command") }
        guard isRead else {
            guard Replica.isExecutable(request) else { throw .invalid("command") }
            return
        }
        // A write that came as a read would change the leader's state alone.
        guard case .found(let spec) = CommandTable.resolve(request), case .some = spec.handler,
            !spec.isWrite
        else { throw .invalid("command") }
    }

    private mutating func receiveReads(
        _ body: Span<UInt8>, from at: Int, link: Int, now: ClockReading
    ) throws(DecodeError) {
        var reader = ByteReader(body)
        let header = try ForwardHeader(from: &reader)
        let group = Int(header.group)
        guard leads(group, in: header.term),
            replicas[group].backlog.byteCount < EngineLimits.readBacklogBytesMax
        else {
            sendForwardRefused(link, group: group, term: header.term, stream: header.stream)
            return
        }
        let run = try checkedRun(&reader, from: at, isRead: true)
        switch peers[at].inbound[group].reads.judge(header, boot: peers[at].hello?.boot ?? 0) {
        case .ignore: return
        case .gap:
            sendForwardRefused(link, group: group, term: header.term, stream: header.stream)
            return
        case .take: beginStream(header, .readReply, link: link)
        }
        if replicas[group].backlog.isEmpty,
            replicas[group].canReadByLease(now: now.boot, liveness: liveness),
            try readForPeer(run, group: group, link: link, now: now)
        {
            return
        }
        _ = addReads(group, run: run, queue: .reads)
    }

    /// Executes a peer's reads under the lease; the replies are provisional until the end of the
    /// turn. False when one met a key that is past due: then all of them take the long way.
    private mutating func readForPeer(
        _ run: Span<UInt8>, group: Int, link: Int, now: ClockReading
    ) throws(DecodeError) -> Bool {
        var reader = ByteReader(run)
        let header = try RunHeader(from: &reader)
        var decoder = ArgumentDecoder()
        swap(&decoder, &self.decoder)
        defer { swap(&decoder, &self.decoder) }
        let (replies, bytes) = (links[link].provisional.count, links[link].provisionalBytes.count)
        for offset in 0..<header.count {
            let command = try LoggedCommand(from: &reader)
            let before = links[link].provisionalBytes.count
            if links[link].isFullOfAnswers {
                // Once one of them is there, the others follow: their order is kept.
                replicas[group].backlog.append(
                    command, sequence: header.first + UInt64(offset), origin: header.origin,
                    queue: .reads)
                continue
            }
            if !command.flags.contains(.abandoned) {
                _ = try decoder.decode(command.arguments)
                let request = decoder.request(over: command.arguments)
                guard case .found(let spec) = CommandTable.resolve(request) else {
                    throw .invalid("command")
                }
                let outcome = replicas[group].read(
                    request, spec, database: Int(command.database),
                    version: command.flags.contains(.resp3) ? .three : .two, clock: now.wall,
                    into: &links[link].provisionalBytes)
                guard outcome == .done else {
                    links[link].provisional.removeLast(links[link].provisional.count - replies)
                    links[link].provisionalBytes.truncate(to: bytes)
                    return false
                }
            }
            links[link].provisional.append(
                PeerLink.ProvisionalReply(
                    group: UInt32(group), sequence: header.first + UInt64(offset),
                    count: links[link].provisionalBytes.count - before))
        }
        commandStatistics.stepForOthers(links[link].provisional.count - replies)
        links.markFlushing(link)
        return true
    }

    private mutating func receiveFragment(
        _ reader: inout ByteReader, group: Int, from at: Int, now: ClockReading
    ) throws(DecodeError) {
        let term = try reader.readVarint()
        let header = try FragmentHeader(from: &reader)
        let rest = reader.remaining
        let piece = try reader.readBytes(rest)
        // Refused pieces are asked for again by time: the origin sees no progress.
        guard leads(group, in: term), let hello = peers[at].hello,
            piece.count <= EngineLimits.fragmentBytesMax
        else { return }
        var payload = scratch.take()
        FragmentPayload.encode(
            time: now.wall, origin: Origin(node: hello.node, boot: hello.boot),
            command: header.command, offset: header.offset, piece: piece, into: &payload)
        propose(group, kind: .fragment, payload: payload.readable, now: now)
        payload.removeAll(keepingCapacityUpTo: 1 << 20)
        scratch = payload
    }

    // MARK: At the origin

    mutating func fragmentApplied(
        _ group: Int, command: UInt64, upTo offset: UInt64, now: ClockReading
    ) {
        guard let at = routes[group].uploads.firstIndex(where: { $0.number == command }) else {
            return
        }
        routes[group].uploads[at].confirm(
            upTo: Int(clamping: offset), now: now.boot)
    }

    private mutating func receiveReplies(
        _ reader: inout ByteReader, group: Int, queue: Replica.QueueKind, link: LinkID,
        _ sessions: inout SessionTable, now: ClockReading
    ) throws(DecodeError) {
        while reader.remaining > 0 {
            let record = try ReplyRecord(from: &reader)
            let isRead = queue != .writes
            let head = isRead ? routes[group].reads.head : routes[group].writes.head
            guard record.sequence == head else { continue }
            guard record.status == .piece || record.offset > 0 else {
                deliver(
                    group, queue, sequence: record.sequence, status: record.status,
                    reply: record.bytes, &sessions, now: now)
                continue
            }
            let isWhole = record.status != .piece
            if isRead {
                guard routes[group].partialReadReply.add(record, from: link) else { continue }
                routes[group].reads.answerGotOn(now: now.boot)
            } else {
                guard routes[group].partialWriteReply.add(record, from: link) else { continue }
                routes[group].writes.answerGotOn(now: now.boot)
            }
            guard isWhole else { continue }
            let whole =
                isRead
                ? routes[group].partialReadReply.take() : routes[group].partialWriteReply.take()
            deliver(
                group, queue, sequence: record.sequence, status: record.status,
                reply: whole.readable, &sessions, now: now)
        }
    }

    private mutating func receiveRefusal(
        _ reader: inout ByteReader, group: Int, now: ClockReading
    ) throws(DecodeError) {
        let term = try reader.readVarint()
        let stream = try reader.readVarint()
        guard routes[group].target?.term == term,
            stream == routes[group].writes.stream || stream == routes[group].reads.stream
                || stream == routes[group].nearReads.stream
        else { return }
        routes[group].restart(now: now.boot)
        routes[group].retryAt = now.boot + .milliseconds(5)
    }

    /// Gives an answer to the session that waits for it, if it is the oldest one's.
    mutating func deliver(
        _ group: Int, _ queue: Replica.QueueKind, sequence: UInt64, status: ReplyStatus,
        reply: Span<UInt8>, _ sessions: inout SessionTable, now: ClockReading
    ) {
        let limit = configuration.queueWaitLimit
        let item =
            switch queue {
            case .writes:
                routes[group].writes.answer(sequence, waitLimit: limit, now: now.boot)
            case .reads:
                routes[group].reads.answer(sequence, waitLimit: limit, now: now.boot)
            case .nearReads:
                routes[group].nearReads.answer(sequence, waitLimit: limit, now: now.boot)
            }
        guard let item else {
            // It was here before: the leader's word and this node's own log both bring it.
            commandStatistics.stepForOthers()
            return
        }
        let index = sessions.index(of: item.session)
        if let index, sessions[index].gather != nil {
            deliverPart(group, index, status: status, reply: reply, &sessions)
            return
        }
        let error: String? =
            switch status {
            case .complete: nil
            case .evicted: "UNCERTAIN The command was executed at most once, its reply is lost"
            case .moved: "TRYAGAIN The slot moved, the command was not executed"
            case .piece: invariantFailed("a piece was delivered")
            }
        let kind =
            error.map { commandStatistics.judge(error: $0) } ?? commandStatistics.judge(reply)
        guard let index else {
            // The client is gone; its command was executed all the same.
            commandStatistics.answered(item.command, kind, since: item.queuedAt, now: now.boot)
            return
        }
        commandStatistics.answered(
            item.command, kind, since: sessions[index].startedAt.take() ?? item.queuedAt,
            now: now.boot)
        if !sessions[index].executing.isEmpty {
            countTransaction(&sessions[index], error == nil ? reply : reply.extracting(0..<0))
        }
        if let error { sessions[index].answer(error: error) } else { sessions[index].answer(reply) }
        sessions.markFlushing(index)
        sessions.markReady(index)
    }

    /// Counts the commands of a transaction by their parts of its reply.
    private mutating func countTransaction(_ session: inout Session, _ reply: Span<UInt8>) {
        var commands: [UInt16] = []
        swap(&commands, &session.executing)
        var elements = ReplyElements(of: reply)
        for command in commands {
            guard let element = elements.next() else { return }
            commandStatistics.answeredWithin(command, commandStatistics.judge(element))
        }
    }

    private func deliverPart(
        _ group: Int, _ index: Int, status: ReplyStatus, reply: Span<UInt8>,
        _ sessions: inout SessionTable
    ) {
        let part =
            status == .complete && !reply.isEmpty
            ? reply.copied
            : Array("-UNCERTAIN The command was executed at most once, its reply is lost\r\n".utf8)
        sessions[index].gather?.add(part, of: group - 1)
        if sessions[index].gather?.remaining == 0 { sessions.markReady(index) }
    }
}
