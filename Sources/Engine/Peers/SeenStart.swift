internal import Cluster
internal import PeerProtocol

/// The newest start of a peer that a member has admitted; all members keep it on disk.
///
/// Each start of a directory has a number, one more than the one before, and each process a random one. Before
/// anybody is told of a start, its own directory holds both on disk, together with the processes of the starts
/// before it (`NodeRecord.boot`), and a hello tells them all. So a directory that went on from the start that is
/// known here names its process under its number. One that was rolled back to an older copy does not, however
/// often it was started since where nobody saw it: it either has not come to that number again, or has given it
/// to another process (S21).
///
/// Not seen:
///
/// - a copy that was made while that very process ran, and is started when it has ended: it knows the start;
/// - one that meets first a member that has never seen the start which the copy lacks;
/// - one that was started more than `Hello.earlierStartsMax` times unseen: nobody remembers that far back. A node
///   that was itself away for so long looks the same, and has forgotten nothing;
/// - one whose starts are not told: by older programs, and by the first ones of a newer program.
struct SeenStart: Equatable {
    var node: UInt16
    var boot: UInt64
    var process: UInt64

    /// Whether the directory from which `hello` comes does not know of this start of it.
    func isForgotten(by hello: Hello) -> Bool {
        guard let process = hello.process(ofStart: boot) else { return hello.boot < boot }
        return process != self.process
    }
}

extension NodeState {
    /// Remembers the newest start of a member. Until there is a map nobody is one for good.
    mutating func noteStart(_ hello: Hello) {
        let start = SeenStart(node: hello.node, boot: hello.boot, process: hello.process)
        guard map?.member(start.node)?.incarnation == hello.incarnation.raw, !seen.contains(start)
        else { return }
        seen.removeAll { known in
            known.node == start.node || map?.member(known.node) == nil
        }
        seen.append(start)
        seen.sort { $0.node < $1.node }
        NodeRecord.seen(seen).write(to: &wal)
    }
}
