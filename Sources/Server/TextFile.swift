internal import Bytes
internal import Glibc

/// Whole text files, for the configuration.
enum TextFile {
    /// A configuration is not longer; what is, is another file.
    private static let bytesMax = 16 << 20

    static func read(_ path: String) throws(FileError) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw currentError("open", path) }
        defer { close(descriptor) }
        return try readAll(descriptor, name: path)
    }

    /// Reads to the end of an open file or pipe.
    static func readAll(_ descriptor: Int32, name: String) throws(FileError) -> String {
        var text: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw currentError("read", name) }
            guard count > 0 else { return String(decoding: text, as: UTF8.self) }
            text += piece[..<count]
            guard text.count <= bytesMax else {
                throw FileError(operation: "read", path: name, errno: EFBIG)
            }
        }
    }

    /// The path with the working directory in front, if it is relative.
    static func absolute(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
