internal import Bytes
internal import Commands
internal import RESP

/// CLIENT and its subcommands.
extension Engine {
    mutating func client(
        _ index: Int, _ request: NodeRequest, _ name: String, now: ClockReading
    ) -> NodeCommandStep? {
        var error: String?
        switch name {
        case "client|id":
            let id = sessions[index].clientID
            return respond(index) { $0.integer(id) }
        case "client|getname":
            let name = sessions[index].name
            return respond(index) { writer in
                if name.isEmpty { writer.null() } else { writer.bulk(name) }
            }
        case "client|setname":
            if ClientName.isValid(request.arguments[2]) {
                sessions[index].name = request.text(2)
            } else {
                error = ClientName.error
            }
        case "client|setinfo":
            error = setLibrary(index, request)
        case "client|info":
            let line = describe(index, now: now) + "\n"
            return respond(index) { $0.verbatim(Array(line.utf8).span) }
        case "client|list":
            return list(index, request, now: now)
        case "client|no-evict":
            error = Self.flag(request, &sessions[index].noEvict)
        case "client|no-touch":
            error = Self.flag(request, &sessions[index].noTouch)
        case "client|reply":
            return replyMode(index, request)
        case "client|kill":
            return kill(index, request, now: now)
        default:
            return respond(index) {
                NodeReplies.help(
                    [
                        "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
                        "GETNAME",
                        "ID", "INFO", "KILL <ip:port>", "KILL <option> <value> [...]",
                        "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <id> ...]",
                        "NO-EVICT (ON|OFF)", "NO-TOUCH (ON|OFF)", "REPLY (ON|OFF|SKIP)",
                        "SETINFO (LIB-NAME|LIB-VER) <value>", "SETNAME <name>",
                    ], to: &$0)
            }
        }
        return respond(index) { writer in
            if let error { writer.error(text: error) } else { writer.ok() }
        }
    }

    private mutating func respond(_ index: Int, _ body: (inout ReplyWriter) -> Void)
        -> NodeCommandStep?
    {
        .done(node.writeReply(to: &sessions[index], body))
    }

    private static func flag(_ request: NodeRequest, _ flag: inout Bool) -> String? {
        switch request.word(2) {
        case "on": flag = true
        case "off": flag = false
        default: return "ERR syntax error"
        }
        return nil
    }

    private mutating func setLibrary(_ index: Int, _ request: NodeRequest) -> String? {
        let option = request.word(2)
        guard option == "lib-name" || option == "lib-ver" else {
            return "ERR Unrecognized option '\(request.shown(2))'"
        }
        guard ClientName.isValid(request.arguments[3]) else {
            return "ERR \(option) cannot contain spaces, newlines or special characters."
        }
        if option == "lib-name" {
            sessions[index].libraryName = request.text(3)
        } else {
            sessions[index].libraryVersion = request.text(3)
        }
        return nil
    }

    /// CLIENT REPLY: OFF and SKIP themselves get no reply.
    private mutating func replyMode(_ index: Int, _ request: NodeRequest) -> NodeCommandStep? {
        switch request.word(2) {
        case "on":
            sessions[index].replyMode = .on
            return respond(index) { $0.ok() }
        case "off":
            sessions[index].replyMode = .off
        case "skip":
            if sessions[index].replyMode != .off { sessions[index].replyMode = .skipping }
        default:
            return respond(index) { $0.error("ERR syntax error") }
        }
        return .done(.success)
    }

    // MARK: Listing

    /// One line of CLIENT LIST.
    private func describe(_ index: Int, now: ClockReading) -> String {
        let age = (now.boot - sessions[index].openedAt).milliseconds / 1000
        let idle = (now.boot - sessions[index].lastActive).milliseconds / 1000
        let flags = sessions[index].isClosing ? "c" : sessions[index].noEvict ? "e" : "N"
        let held = sessions[index].input.count
        let output = sessions[index].output.count + sessions[index].queuedInHost
        let last = sessions[index].lastCommand.flatMap { id in
            CommandTable.all.first { $0.id == id }
        }
        let command = last?.name.description ?? "NULL"
        return
            "id=\(sessions[index].clientID) addr=\(sessions[index].address) laddr=\(sessions[index].localAddress) fd=\(sessions[index].descriptor) name=\(sessions[index].name) age=\(age) idle=\(idle) flags=\(flags) db=\(sessions[index].database) sub=0 psub=0 ssub=0 multi=-1 qbuf=\(held) qbuf-free=\(sessions[index].input.capacity - held) argv-mem=0 multi-mem=0 rbs=\(sessions[index].output.capacity) rbp=0 obl=\(output) oll=0 omem=0 tot-mem=\(sessions[index].input.capacity + sessions[index].output.capacity) events=r cmd=\(command) user=default redir=-1 resp=\(sessions[index].resp.rawValue) lib-name=\(sessions[index].libraryName) lib-ver=\(sessions[index].libraryVersion)"
    }

    private mutating func list(
        _ index: Int, _ request: NodeRequest, now: ClockReading
    ) -> NodeCommandStep? {
        var wanted: Set<Int64>?
        var isNormal = true
        if request.count == 4, request.word(2) == "type" {
            switch request.word(3) {
            case "normal": break
            case "master", "replica", "slave", "pubsub": isNormal = false
            default:
                let type = request.shown(3)
                return respond(index) { $0.error(text: "ERR Unknown client type '\(type)'") }
            }
        } else if request.count > 3, request.word(2) == "id" {
            var ids: Set<Int64> = []
            for at in 3..<request.count {
                guard let id = request.integer(at) else {
                    return respond(index) { $0.error("ERR Invalid client ID") }
                }
                ids.insert(id)
            }
            wanted = ids
        } else if request.count != 2 {
            return respond(index) { $0.error("ERR syntax error") }
        }
        var text = ""
        for other in sessions.openIndices where isNormal {
            if let wanted, !wanted.contains(sessions[other].clientID) { continue }
            text += describe(other, now: now) + "\n"
        }
        return respond(index) { $0.verbatim(Array(text.utf8).span) }
    }

    // MARK: Killing

    private struct KillFilter {
        var id: Int64?
        var address: String?
        var localAddress: String?
        var user: String?
        var isNormal = true
        var skipsMe = true
        var error: String?

        init(_ request: NodeRequest) {
            var at = 2
            while at < request.count {
                guard at + 1 < request.count else {
                    error = "ERR syntax error"
                    return
                }
                let value = request.shown(at + 1)
                switch request.word(at) {
                case "id":
                    guard let id = request.integer(at + 1), id > 0 else {
                        error = "ERR client-id should be greater than 0"
                        return
                    }
                    self.id = id
                case "addr": address = value
                case "laddr": localAddress = value
                case "user":
                    guard value == "default" else {
                        error = "ERR No such user '\(value)'"
                        return
                    }
                    user = value
                case "type":
                    guard
                        ["normal", "master", "replica", "slave", "pubsub"].contains(
                            value.lowercased())
                    else {
                        error = "ERR Unknown client type '\(value)'"
                        return
                    }
                    isNormal = value.lowercased() == "normal"
                case "skipme":
                    switch value.lowercased() {
                    case "yes": skipsMe = true
                    case "no": skipsMe = false
                    default:
                        error = "ERR syntax error"
                        return
                    }
                default:
                    error = "ERR syntax error"
                    return
                }
                at += 2
            }
        }
    }

    private mutating func kill(
        _ index: Int, _ request: NodeRequest, now: ClockReading
    ) -> NodeCommandStep? {
        if request.count == 3 {
            let address = request.text(2)
            guard
                let victim = sessions.openIndices.first(where: { sessions[$0].address == address })
            else { return respond(index) { $0.error("ERR No such client") } }
            let step = respond(index) { $0.ok() }
            cutOff(victim, by: index)
            return step
        }
        let filter = KillFilter(request)
        if let error = filter.error { return respond(index) { $0.error(text: error) } }
        let victims = sessions.openIndices.filter { other in
            if !filter.isNormal || (filter.skipsMe && other == index) { return false }
            if let id = filter.id, sessions[other].clientID != id { return false }
            if let address = filter.address, sessions[other].address != address { return false }
            if let local = filter.localAddress, sessions[other].localAddress != local {
                return false
            }
            return true
        }
        let step = respond(index) { $0.integer(Int64(victims.count)) }
        for victim in victims { cutOff(victim, by: index) }
        return step
    }

    /// Ends a connection: its own killer still gets the reply, others get nothing more.
    private mutating func cutOff(_ victim: Int, by index: Int) {
        if victim != index { sessions[victim].output.removeAll(keepingCapacityUpTo: 0) }
        sessions[victim].isClosing = true
        sessions.markFlushing(victim)
    }
}
