internal import Bytes
internal import RESP

/// The version that clients compare, and Skein's own.
enum ServerVersion {
    /// The Redis version whose behaviour this is.
    static let redis = "7.0.15"
    static let skein = "0.1.0"
}

/// Replies to commands about the connection.
enum NodeReplies {
    static func time(_ now: ClockReading, to reply: inout ReplyWriter) {
        reply.array(2)
        reply.bulk(decimal: now.wall / 1000)
        reply.bulk(decimal: now.wall % 1000 * 1000)
    }

    /// No password is set: the default user is always in, others do not exist. Writes the error, or
    /// OK when `ok` asks for it; false on an error.
    static func auth(
        _ request: NodeRequest, from start: Int, to reply: inout ReplyWriter, ok: Bool
    ) -> Bool {
        if ok, request.count > 3 {
            reply.error("ERR syntax error")
            return false
        }
        if ok, request.count == 2 {
            reply.error(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"
            )
            return false
        }
        guard request.text(start) == "default" else {
            reply.error("WRONGPASS invalid username-password pair or user is disabled.")
            return false
        }
        if ok { reply.ok() }
        return true
    }

    static func hello(id: Int64, version: RESPVersion, to reply: inout ReplyWriter) {
        reply.map(7)
        reply.bulk("server")
        reply.bulk("redis")
        reply.bulk("version")
        reply.bulk(ServerVersion.redis)
        reply.bulk("proto")
        reply.integer(Int64(version.rawValue))
        reply.bulk("id")
        reply.integer(id)
        reply.bulk("mode")
        reply.bulk("standalone")
        reply.bulk("role")
        reply.bulk("master")
        reply.bulk("modules")
        reply.emptyArray()
    }

    static func help(_ lines: [String], to reply: inout ReplyWriter) {
        reply.array(lines.count)
        for line in lines { reply.simple(Array(line.utf8).span) }
    }
}
