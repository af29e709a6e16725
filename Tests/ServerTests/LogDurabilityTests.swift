import Glibc
import Testing
import WAL

@testable import Server

/// Names that must be durable, and errors that must not be got over.
@Suite struct LogDurabilityTests {
    @Test func `the directory above each one that is made is synced, once the name is there`()
        throws
    {
        let base = TemporaryDirectory()
        var synced: [String] = []
        try DataDirectory.makeDirectories(base.path + "/a/b/c") { path in
            synced.append(path)
            // In front of what is made in it.
            let made = TemporaryDirectory.names(in: path)
            #expect(made.count == 1)
            #expect(TemporaryDirectory.names(in: path + "/" + made[0]).isEmpty)
        }
        #expect(synced == [base.path, base.path + "/a", base.path + "/a/b"])
        try DataDirectory.makeDirectories(base.path + "/a/b/c") { _ in Issue.record("again") }
        let failure = FileError(operation: "sync", path: "x", errno: EIO)
        #expect(throws: failure) {
            try DataDirectory.makeDirectories(base.path + "/d") { _ throws(FileError) in
                throw failure
            }
        }
    }

    @Test func `the directory above a path is found`() {
        #expect(DataDirectory.parent(of: "data") == ".")
        #expect(DataDirectory.parent(of: "/data") == "/")
        #expect(DataDirectory.parent(of: "a/b/") == "a")
        #expect(DataDirectory.parent(of: "/a/b//") == "/a")
    }
}
