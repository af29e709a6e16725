/// Stops the process with `message` when `condition` does not hold.
///
/// Always on, in every build: plain `precondition` dies silently under `-O`. For programmer errors
/// only; bad input from clients, peers and disks is thrown or returned.
@inlinable
@inline(__always)
public func invariant(
    _ condition: @autoclosure () -> Bool, _ message: @autoclosure () -> String,
    file: StaticString = #fileID, line: UInt = #line
) {
    if !condition() {
        invariantFailed(message(), file: file, line: line)
    }
}

/// Reports a broken invariant and stops the process.
@inline(never)
public func invariantFailed(_ message: String, file: StaticString = #fileID, line: UInt = #line)
    -> Never
{
    fatalError("invariant broken: \(message)", file: file, line: line)
}
