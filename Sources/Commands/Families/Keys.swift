internal import RESP
internal import Store

/// Commands on single keys of any type.
enum Keys {
    /// DEL and UNLINK: large collections are freed later in either case.
    @Sendable
    static func del(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        var removed: Int64 = 0
        for position in 1..<request.count {
            guard let handle = context.find(request[position]) else { continue }
            context.keyspace.remove(handle)
            removed += 1
        }
        context.reply.integer(removed)
        return .done
    }

    @Sendable
    static func exists(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        var found: Int64 = 0
        for position in 1..<request.count where context.find(request[position]) != nil {
            found += 1
        }
        context.reply.integer(found)
        return .done
    }

    /// TOUCH: no access times are kept, so that it only counts.
    @Sendable
    static func touch(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        exists(&context, request)
    }

    @Sendable
    static func type(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        let handle = context.find(request[1])
        context.reply.simple(handle.map { context.keyspace.kind(of: $0).name } ?? "none")
        return .done
    }

    @Sendable
    static func rename(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let handle = context.find(request[1]) else {
            context.reply.error(ErrorText.noSuchKey)
            return .done
        }
        context.rename(handle, to: request[2])
        context.reply.ok()
        return .done
    }

    @Sendable
    static func renamenx(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard context.find(request[1]) != nil else {
            context.reply.error(ErrorText.noSuchKey)
            return .done
        }
        // The same name exists, too.
        guard context.find(request[2]) == nil, let handle = context.find(request[1]) else {
            context.reply.integer(0)
            return .done
        }
        context.rename(handle, to: request[2])
        context.reply.integer(1)
        return .done
    }

    @Sendable
    static func objectEncoding(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        guard let handle = context.find(request[2]) else {
            context.reply.null()
            return .done
        }
        context.reply.bulk(context.keyspace.encodingName(handle))
        return .done
    }

    @Sendable
    static func objectRefcount(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        guard let handle = context.find(request[2]) else {
            context.reply.null()
            return .done
        }
        context.reply.integer(context.isSharedInteger(handle) ? Int64(Int32.max) : 1)
        return .done
    }

    /// OBJECT IDLETIME: no access times are kept; 0 is what Redis says of a key in use.
    @Sendable
    static func objectIdletime(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        guard context.find(request[2]) != nil else {
            context.reply.null()
            return .done
        }
        context.reply.integer(0)
        return .done
    }

    @Sendable
    static func objectFreq(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome
    {
        guard context.find(request[2]) != nil else {
            context.reply.null()
            return .done
        }
        context.reply.error(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
        )
        return .done
    }

    @Sendable
    static func objectHelp(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome
    {
        context.reply.array(objectHelpLines.count)
        for line in objectHelpLines { context.reply.simple(line) }
        return .done
    }

    private static let objectHelpLines: [StaticString] = [
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified",
        "    <key>.",
        "HELP",
        "    Prints this help.",
    ]
}

extension CommandContext {
    /// Renames a key; to its own name is no change.
    fileprivate mutating func rename(_ handle: KeyHandle, to name: Span<UInt8>) {
        if let other = keyspace.locate(name, in: database), keyspace.isSame(handle, other) {
            return
        }
        keyspace.rename(handle, to: name)
    }

    /// Redis shares the small integers, and OBJECT REFCOUNT shows it.
    fileprivate func isSharedInteger(_ handle: KeyHandle) -> Bool {
        guard keyspace.kind(of: handle) == .string,
            case .integer(let number) = keyspace.string(handle)
        else { return false }
        return number >= 0 && number < 10000
    }
}

extension ValueKind {
    /// What TYPE tells.
    var name: StaticString {
        switch self {
        case .string: "string"
        case .list: "list"
        case .hash: "hash"
        case .set: "set"
        case .sortedSet: "zset"
        }
    }
}
