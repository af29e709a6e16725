internal import CSkein
internal import Engine

/// What was built: the version, and the commit if the build was told it.
enum BuildVersion {
    private static let told = String(cString: skein_commit())
    private static let dirtyMark = "-dirty"

    /// The commit; empty when the build was not told.
    static let commit =
        told == "unknown" ? "" : isModified ? String(told.dropLast(dirtyMark.count)) : told

    /// Whether the sources differed from the commit.
    static let isModified = told.hasSuffix(dirtyMark)

    /// The commit as it is shown.
    static var label: String { told }

    /// The line of `--version`.
    static var text: String {
        "skein-server \(ServerVersion.skein) commit=\(label) redis_version=\(ServerVersion.redis)"
    }
}
