import Bytes

@testable import Raft

/// How traces name things.
func describe(_ io: RaftIO) -> String {
    switch io {
    case .hardState(let term, let vote):
        "hardState term \(term) vote \(vote.map { "\($0)" } ?? "none")"
    case .start(let index, let term, let keepingRest):
        "start after \(index)@\(term)\(keepingRest ? "" : " anew")"
    case .truncate(let from): "truncate from \(from)"
    case .append(let range):
        range.count == 1
            ? "append \(range.lowerBound)" : "append \(range.lowerBound)-\(range.upperBound)"
    }
}

func describe(_ message: RaftMessage, records: [UInt8]) -> String {
    let body: String
    switch message.body {
    case .preVote(let lastIndex, let lastTerm): body = "preVote log \(lastIndex)@\(lastTerm)"
    case .preVoteReply(let requested, let granted):
        body = "preVoteReply \(granted ? "granted" : "refused") asked \(requested)"
    case .vote(let lastIndex, let lastTerm, let transfer):
        body = "vote log \(lastIndex)@\(lastTerm)\(transfer ? " transfer" : "")"
    case .voteReply(let granted): body = "voteReply \(granted ? "granted" : "refused")"
    case .append(let append):
        var text = "append after \(append.previousIndex)@\(append.previousTerm)"
        text += " commit \(append.commit)"
        if append.readRound > 0 { text += " round \(append.readRound)" }
        if append.wantsReply { text += " reply!" }
        text += describeEntries(records)
        body = text
    case .appendReply(let reply):
        if reply.rejected {
            body = "appendReply rejected \(reply.index) hint \(reply.hintIndex)@\(reply.hintTerm)"
        } else {
            var text = "appendReply durable \(reply.index) verified \(reply.hintIndex)"
            text += " commit \(reply.commit)"
            if reply.readRound > 0 { text += " round \(reply.readRound)" }
            text += " epoch \(reply.followEpoch >> 32).\(reply.followEpoch & 0xffff_ffff)"
            if reply.lacksEntries { text += " lacks entries" }
            if reply.needsSnapshot { text = "appendReply needs a snapshot: " + text.dropFirst(12) }
            body = text
        }
    case .timeoutNow: body = "timeoutNow"
    case .steppedDown(let led): body = "steppedDown led \(led)"
    case .logIsWhole(let boot): body = "logIsWhole boot \(boot)"
    case .notMember(let index, let term): body = "notMember as of \(index)@\(term)"
    case .probe: body = "probe"
    case .probeReply(let asked, let leads):
        body = "probeReply asked \(asked) \(leads ? "leads" : "does not lead")"
    }
    return "term \(message.term) \(body)"
}

private func describeEntries(_ records: [UInt8]) -> String {
    guard !records.isEmpty else { return "" }
    var parts: [String] = []
    var walk = EntryRecords(records.span)
    while let entry = try? walk.next() {
        let text: String
        if entry.kind == .noop {
            text = "noop"
        } else if let members = try? GroupMembers(entry: entry) {
            text = describe(members)
        } else {
            text = String(decoding: ByteBuffer(copying: entry.payload).copyBytes(), as: UTF8.self)
        }
        parts.append("\(entry.index)@\(entry.term) \(text)")
    }
    if parts.count > 4 { parts = [parts[0], "...", parts[parts.count - 1]] }
    return " [\(parts.joined(separator: ", "))]"
}

func describe(_ nodes: [NodeID]) -> String { nodes.map { "\($0.raw)" }.joined(separator: ",") }

func describe(_ members: GroupMembers) -> String {
    var text = "members \(describe(members.voters))"
    if members.isJoint { text += " with \(describe(members.outgoing))" }
    if !members.learners.isEmpty { text += " learners \(describe(members.learners))" }
    if let wish = members.wish { text += " wish \(describe(wish.voters))" }
    return text
}
