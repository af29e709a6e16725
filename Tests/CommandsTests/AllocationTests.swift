import Bytes
import Glibc
import RESP
import Store
import TestSupport
import Testing

@testable import Commands

/// In child processes: the counter patches the whole process, and is used by other suites, too.
@Suite struct `Heap allocations` {
    @Test func `of a GET are none, of an overwriting SET none either`() async {
        let result = await #expect(
            processExitsWith: .success, observing: [\.standardErrorContent]
        ) {
            let runner = Runner()
            let long = String(repeating: "x", count: 600)
            for key in ["int", "short", "long"] {
                _ = runner("SET", key, key == "int" ? "12345" : key == "short" ? "hello" : long)
            }
            let commands = [
                ["GET", "int"], ["GET", "short"], ["GET", "long"], ["GET", "none"],
                ["MGET", "int", "none", "short"], ["EXISTS", "short"], ["TTL", "short"],
                ["STRLEN", "long"], ["INCR", "int"], ["SET", "short", "HELLO"],
                ["SET", "int", "7"],
                ["SET", "long", long],
            ]
            // Unoptimised code boxes SipHash's four words of state; -O does not.
            let order = runner.context.keyspace.order
            let key = Array("short".utf8)
            let hashing = AllocationCounter.count { _ = order.hash(key.span) }
            for words in commands {
                _ = allocations(of: words, runner, times: 1)
                let keys = words[0] == "MGET" ? 3 : 1
                let counted =
                    allocations(of: words, runner, times: 100) - 100 * keys * hashing
                if counted != 0 {
                    let line = "\(words[0]) \(words[1]): \(counted) allocations in 100 runs\n"
                    _ = line.withCString { unsafe write(2, $0, strlen($0)) }
                }
            }
            // The counter counts.
            if allocations(of: ["SET", "new", "value"], runner, times: 1) == 0 { exit(2) }
            exit(0)
        }
        // The testing library writes there, too.
        let lines = result.map { String(decoding: $0.standardErrorContent, as: UTF8.self) } ?? ""
        let isClean = !lines.contains("allocations in")
        #expect(isClean, "\(lines.filter(\.isASCII))")
    }
}

/// Allocations of a command that is looked up and run so many times, the reply discarded.
private func allocations(of words: [String], _ runner: Runner, times: Int) -> Int {
    var bytes: [UInt8] = []
    var ranges: [ArgumentRange] = []
    for word in words {
        ranges.append(ArgumentRange(offset: bytes.count, count: word.utf8.count))
        bytes += Array(word.utf8)
    }
    let text = bytes
    let places = ranges
    return AllocationCounter.count {
        for _ in 0..<times {
            let request = Request(bytes: text.span, ranges: places.span)
            guard case .found(let spec) = CommandTable.resolve(request) else { exit(3) }
            runner.context.reply.bytes.removeAll()
            runner.context.mode = spec.isWrite ? .apply : .read
            guard spec.run(&runner.context, request) == .done else { exit(4) }
        }
    }
}
