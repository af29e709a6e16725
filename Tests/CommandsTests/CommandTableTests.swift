import Bytes
import RESP
import Testing

@testable import Commands

@Suite struct `The command table` {
    let call = Runner()

    @Test func `finds every command whatever its case, and nothing else`() {
        for spec in CommandTable.all where !CommandTable.isSubcommand(spec) {
            for name in [spec.name.description, spec.name.description.uppercased()] {
                let bytes = Array(name.utf8)
                #expect(CommandTable.lookup(bytes.span)?.id == spec.id)
            }
        }
        for name in ["", "gett", "ge", "get ", "config|get", String(repeating: "x", count: 5000)] {
            let bytes = Array(name.utf8)
            #expect(CommandTable.lookup(bytes.span) == nil)
        }
    }

    @Test func `has each name once`() {
        let names = CommandTable.all.map(\.name.description)
        #expect(Set(names).count == names.count)
        #expect(CommandTable.all.enumerated().allSatisfy { $0 == $1.id })
    }

    @Test func `knows Redis's errors`() {
        #expect(
            call("foo", "a", "b")
                == "-ERR unknown command 'foo', with args beginning with: 'a' 'b' \r\n")
        #expect(call("foo") == "-ERR unknown command 'foo', with args beginning with: \r\n")
        #expect(call("GET") == "-ERR wrong number of arguments for 'get' command\r\n")
        #expect(call("Object", "fOO", "x") == "-ERR unknown subcommand 'fOO'. Try OBJECT HELP.\r\n")
        #expect(call("OBJECT") == "-ERR wrong number of arguments for 'object' command\r\n")
        #expect(
            call("OBJECT", "encoding")
                == "-ERR wrong number of arguments for 'object|encoding' command\r\n")
        #expect(
            call("a\r\nb", "c\r\nd")
                == "-ERR unknown command 'a  b', with args beginning with: 'c  d' \r\n")
    }

    @Test func `cuts long names and arguments as Redis does`() {
        let long = String(repeating: "x", count: 300)
        let cut = String(repeating: "x", count: 128)
        #expect(
            call(long, "a") == "-ERR unknown command '\(cut)', with args beginning with: 'a' \r\n")
        #expect(
            call("foo", long, "b")
                == "-ERR unknown command 'foo', with args beginning with: '\(cut)' \r\n")
        let part = String(repeating: "y", count: 100)
        // 100 bytes and 3 of quotes are used: 25 are left for the second one.
        #expect(
            call("foo", part, part, "z")
                == "-ERR unknown command 'foo', with args beginning with: '\(part)' '\(part.prefix(25))' \r\n"
        )
    }

    private func keys(_ words: String...) -> String {
        var bytes: [UInt8] = []
        var ranges: [ArgumentRange] = []
        for word in ["command", "getkeys"] + words {
            ranges.append(ArgumentRange(offset: bytes.count, count: word.utf8.count))
            bytes += Array(word.utf8)
        }
        let request = Request(bytes: bytes.span, ranges: ranges.span)
        var reply = ReplyWriter()
        CommandTable.writeKeys(of: request, from: 2, to: &reply)
        return String(decoding: reply.bytes.copyBytes(), as: UTF8.self)
            .replacing("\r\n", with: " ")
    }

    @Test func `finds keys among arguments`() {
        #expect(keys("get", "a") == "*1 $1 a ")
        #expect(keys("MSET", "a", "1", "b", "2") == "*2 $1 a $1 b ")
        #expect(keys("del", "a", "b", "a") == "*3 $1 a $1 b $1 a ")
        #expect(keys("rename", "a", "b") == "*2 $1 a $1 b ")
        #expect(keys("object", "encoding", "a") == "*1 $1 a ")
        #expect(keys("sintercard", "2", "a", "b") == "*2 $1 a $1 b ")
        #expect(
            keys("sintercard", "3", "a", "b") == "-ERR Invalid arguments specified for command ")
        #expect(keys("sintercard", "x", "a") == "-ERR Invalid arguments specified for command ")
        #expect(keys("sintercard", "0", "a") == "-ERR Invalid arguments specified for command ")
        #expect(keys("ping") == "-ERR The command has no key arguments ")
        #expect(keys("ping", "a", "b") == "-ERR The command has no key arguments ")
        #expect(keys("foo", "a") == "-ERR Invalid command specified ")
        #expect(
            keys("get", "a", "b") == "-ERR Invalid number of arguments specified for command ")
    }

    @Test func `tells COMMAND INFO in Redis's form`() {
        func info(_ name: String, _ version: RESPVersion) -> String {
            let bytes = Array(name.utf8)
            var reply = ReplyWriter(version: version)
            CommandTable.writeInfo(CommandTable.lookup(bytes.span)!, to: &reply)
            return String(decoding: reply.bytes.copyBytes(), as: UTF8.self)
                .replacing("\r\n", with: " ")
        }
        #expect(
            info("get", .two)
                == "*10 $3 get :2 *2 +readonly +fast :1 :1 :1 *3 +@read +@string +@fast *0 *1 *6 $5 flags *2 +RO +access $12 begin_search *4 $4 type $5 index $4 spec *2 $5 index :1 $9 find_keys *4 $4 type $5 range $4 spec *6 $7 lastkey :0 $7 keystep :1 $5 limit :0 *0 "
        )
        #expect(
            info("set", .three)
                == "*10 $3 set :-3 ~2 +write +denyoom :1 :1 :1 ~3 +@write +@string +@slow ~0 ~1 %4 $5 notes $48 RW and ACCESS due to the optional `GET` argument $5 flags ~4 +RW +access +update +variable_flags $12 begin_search %2 $4 type $5 index $4 spec %1 $5 index :1 $9 find_keys %2 $4 type $5 range $4 spec %3 $7 lastkey :0 $7 keystep :1 $5 limit :0 ~0 "
        )
        #expect(info("mset", .two).contains(" :1 :-1 :2 "))
        #expect(info("rename", .two).contains(" :1 :2 :1 "))
        #expect(info("object", .two).hasPrefix("*10 $6 object :-2 *0 :0 :0 :0 *1 +@slow *0 *0 *5 "))
    }
}
