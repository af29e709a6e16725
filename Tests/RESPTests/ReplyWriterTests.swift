import Bytes
import RESP
import Testing

@Suite struct ReplyWriterTests {
    @Test func `plain types are the same in both protocols`() {
        for version in [RESPVersion.two, .three] {
            let text = written(version) {
                $0.ok()
                $0.simple("PONG")
                $0.integer(.min)
                $0.integer(42)
                $0.bulk("abc" as StaticString)
                $0.bulk(String("é"))
                $0.bulk([0, 13, 10].span)
                $0.bulk(decimal: -10)
                $0.array(12)
                $0.emptyArray()
                $0.error("ERR syntax error")
            }
            #expect(
                text == "+OK\r\n+PONG\r\n:-9223372036854775808\r\n:42\r\n$3\r\nabc\r\n"
                    + "$2\r\n\u{c3}\u{a9}\r\n$3\r\n\0\r\n\r\n$3\r\n-10\r\n*12\r\n*0\r\n-ERR syntax error\r\n"
            )
        }
    }

    @Test func `each protocol has its own form for the others`() {
        let all: (inout ReplyWriter) -> Void = {
            $0.null()
            $0.nullArray()
            $0.map(2)
            $0.set(3)
            $0.push(4)
            $0.boolean(true)
            $0.boolean(false)
            $0.double(1.5)
            $0.verbatim(bytes("hi").span)
        }
        #expect(
            written(.two, all)
                == "$-1\r\n*-1\r\n*4\r\n*3\r\n*4\r\n:1\r\n:0\r\n$3\r\n1.5\r\n$2\r\nhi\r\n")
        #expect(
            written(.three, all)
                == "_\r\n_\r\n%2\r\n~3\r\n>4\r\n#t\r\n#f\r\n,1.5\r\n=6\r\ntxt:hi\r\n")
    }

    @Test(arguments: [0, 1, 9, 10, 99, 100, 12345])
    func `a deferred array reads like a counted one`(
        count: Int
    ) {
        let deferred = written {
            $0.ok()
            let mark = $0.openArray()
            for i in 0..<count { $0.integer(Int64(i)) }
            $0.closeArray(mark, count: count)
            $0.ok()
        }
        let counted = written {
            $0.ok()
            $0.array(count)
            for i in 0..<count { $0.integer(Int64(i)) }
            $0.ok()
        }
        #expect(deferred == counted)
    }

    @Test func `deferred aggregates nest and follow the protocol`() {
        let body: (inout ReplyWriter) -> Void = {
            let outer = $0.openMap()
            $0.bulk("a" as StaticString)
            let inner = $0.openSet()
            for i in 0..<11 { $0.integer(Int64(i)) }
            $0.closeSet(inner, count: 11)
            $0.closeMap(outer, count: 1)
        }
        let numbers = (0..<11).map { ":\($0)\r\n" }.joined()
        #expect(written(.two, body) == "*2\r\n$1\r\na\r\n*11\r\n\(numbers)")
        #expect(written(.three, body) == "%1\r\n$1\r\na\r\n~11\r\n\(numbers)")
    }

    @Test func `a discarded aggregate leaves nothing`() {
        let text = written {
            $0.ok()
            let mark = $0.openArray()
            $0.integer(1)
            $0.discard(mark)
        }
        #expect(text == "+OK\r\n")
    }

    @Test func `line ends cannot break out of an error`() {
        let text = written {
            $0.openError("ERR unknown command '")
            $0.errorText(bytes("a\r\n+OK\r\nb").span)
            $0.errorText("', number ")
            $0.errorText(decimal: 7)
            $0.closeError()
            $0.error(text: "ERR one\ntwo\r\n\r\n")
        }
        #expect(text == "-ERR unknown command 'a  +OK  b', number 7\r\n-ERR one two\r\n")
    }
}
