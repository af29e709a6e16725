import Bytes
import Glibc
import Logging
import Testing

@testable import Server

@Suite struct ConsoleLogTests {
    @Test func `a line looks like Redis's`() throws {
        let directory = TemporaryDirectory()
        let path = directory.path + "/log"
        let sink = try LogSink(path: path, level: .info)
        let log = Logger(sink)
        log.debug("invisible")
        log.info("verbose a=1")
        sink.role = "M"
        log.notice("notice b=2", metadata: ["peer": "n2"])
        log.warning("warning")
        let lines = try TextFile.read(path).split(separator: "\n").map(String.init)
        let pattern =
            #/^\d+:([XMS]) \d\d [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d\.\d{3} ([.\-*#]) (.*)$/#
        let parts = try lines.map { line in
            let match = try #require(try pattern.wholeMatch(in: line), "\(line)")
            return "\(match.1)\(match.2)\(match.3)"
        }
        #expect(parts == ["X-verbose a=1", "M*notice b=2 peer=n2", "M#warning"])
        #expect(lines.first?.hasPrefix("\(getpid()):") == true)
    }

    @Test func `nobody forges a line`() throws {
        let directory = TemporaryDirectory()
        let path = directory.path + "/log"
        let log = Logger(try LogSink(path: path, level: .info))
        log.notice("name=\"x\n1:M 01 Jan 2026 00:00:00.000 * all is well\r\n\"")
        let text = try TextFile.read(path)
        #expect(text.split(separator: "\n").count == 1)
        #expect(text.contains(#"x\n1:M"#))
    }

    @Test func `after a rotation the lines go to the new file`() throws {
        let directory = TemporaryDirectory()
        let path = directory.path + "/log"
        let sink = try LogSink(path: path, level: .info)
        let log = Logger(sink)
        log.notice("before")
        rename(path, path + ".1")
        log.notice("still the old file")
        sink.reopen()
        log.notice("after")
        #expect(try TextFile.read(path + ".1").split(separator: "\n").count == 2)
        #expect(try TextFile.read(path).contains("* after\n"))
    }

    @Test func `the level changes for all loggers at once`() throws {
        let directory = TemporaryDirectory()
        let path = directory.path + "/log"
        let sink = try LogSink(path: path, level: .warning)
        let (one, other) = (Logger(sink), Logger(sink))
        one.notice("1")
        sink.level = .debug
        one.debug("2")
        other.debug("3")
        let letters = try TextFile.read(path).split(separator: "\n").map { $0.last }
        #expect(letters == ["2", "3"])
    }

    @Test func `a log file that cannot be opened is an error`() {
        #expect(throws: FileError.self) { _ = try LogSink(path: "/proc/no/log", level: .info) }
    }

    @Test func `a flood is cut and counted`() {
        var budget = LineBudget(perSecond: 3)
        var reported: [Int] = []
        let start = Instant(nanoseconds: 5_000_000_000)
        let admitted = (0..<10).map { i in
            budget.admits(now: start + .milliseconds(Int64(i))) { reported.append($0) }
        }
        #expect(admitted.filter { $0 }.count == 3)
        #expect(reported == [])
        #expect(budget.admits(now: start + .seconds(1)) { reported.append($0) })
        #expect(reported == [7])
    }
}
