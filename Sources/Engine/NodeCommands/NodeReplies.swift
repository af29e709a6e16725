internal import Bytes
internal import RESP

/// Replies to commands about the connection.
enum NodeReplies {
    static func time(_ now: ClockReading, to reply: inout ReplyWriter) {
        reply.array(2)
        reply.bulk(decimal: now.wall / 1000)
        reply.bulk(decimal: now.wall % 1000 * 1000)
    }

    static let wrongUser: StaticString =
        "WRONGPASS invalid username-password pair or user is disabled."

    /// No password is set: the default user is always in, others do not exist.
    static func isDefaultUser(_ request: NodeRequest, at position: Int) -> Bool {
        request.text(position) == "default"
    }

    static func auth(_ request: NodeRequest, to reply: inout ReplyWriter) {
        if request.count > 3 { return reply.error("ERR syntax error") }
        if request.count == 2 {
            return reply.error(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"
            )
        }
        if isDefaultUser(request, at: 1) { reply.ok() } else { reply.error(wrongUser) }
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
