import Glibc

@testable import Server

/// A directory that goes with its owner.
final class TemporaryDirectory {
    let path: String

    init() throws {
        var template = Array("/tmp/skein-test-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else {
            throw FileError(operation: "create", path: "/tmp", errno: errno)
        }
        path = String(cString: made)
    }

    deinit {
        if let stream = opendir(path) {
            while let entry = readdir(stream) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name != ".", name != ".." { unlink("\(path)/\(name)") }
            }
            closedir(stream)
        }
        rmdir(path)
    }
}
