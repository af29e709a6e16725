import Configuration
import Glibc
import Testing

/// conf/skein.conf is the manual, so it must not lie.
@Suite struct ManualTests {
    /// The text of a file in conf/.
    static func text(_ name: String) throws -> String {
        let tests = "/Tests/ConfigurationTests/"
        let here = #filePath
        let root = String(here[..<here.firstRange(of: tests)!.lowerBound])
        let file = try #require(fopen("\(root)/conf/\(name)", "r"))
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The directives of the manual: plain lines, and `#directive value` with no blank between.
    static func directives() throws -> [(name: String, line: String)] {
        try text("skein.conf").split(separator: "\n").compactMap { line in
            let plain = line.first == "#" ? line.dropFirst() : line
            guard let first = plain.first, first.isLetter else { return nil }
            return (String(plain.split(separator: " ")[0]), String(plain))
        }
    }

    @Test func `the manual has every directive, once, in the table's order`() throws {
        #expect(try Self.directives().map(\.name) == Directive.all.map(\.name))
    }

    @Test func `the manual's values are the defaults`() throws {
        for (name, line) in try Self.directives() {
            let directive = try #require(Directive.named(name))
            let configuration = try Configuration.parse(file: line, name: "skein.conf")
            let value = configuration.get([name]).first?.value
            #expect(value == directive.defaultValue, "\(line)")
        }
    }

    @Test func `the manual as a file is the defaults, without a warning`() throws {
        let configuration = try Configuration.parse(
            file: try Self.text("skein.conf"), name: "skein.conf")
        #expect(configuration == Configuration())
        #expect(configuration.warnings.isEmpty)
    }

    @Test func `the manual tells of every directive whether it changes at run time`() throws {
        var comment = ""
        for line in try Self.text("skein.conf").split(
            separator: "\n", omittingEmptySubsequences: false)
        {
            if line.hasPrefix("# ") { comment += line.dropFirst(1) }
            if line.isEmpty { comment = "" }
            guard let first = line.first, first.isLetter else { continue }
            let name = String(line.split(separator: " ")[0])
            let directive = try #require(Directive.named(name))
            switch directive.change {
            case .atRunTime: #expect(comment.contains("At run time"), "\(name)")
            case .atStart: #expect(comment.hasSuffix("Restart."), "\(name)")
            case .never: Issue.record("\(name) can have one value, so its line is a comment")
            }
        }
    }

    @Test(arguments: 1...3) func `the example nodes agree with each other`(number: Int) throws {
        let configuration = try Configuration.parse(
            file: try Self.text("cluster/node\(number).conf"), name: "node\(number).conf")
        #expect(configuration.warnings.isEmpty)
        #expect(configuration.nodeID == number)
        #expect(configuration.port == 7000 + number)
        #expect(configuration.peerPort == 17000 + number)
        #expect(configuration.dir == "data/n\(number)")
        #expect(configuration.members.map(\.port) == [17001, 17002, 17003])
    }
}
