internal import Bytes
internal import Commands
internal import Configuration
internal import RESP

/// Overload: what could not be answered in time is refused where it comes in, before it is queued, so
/// certainly not executed. Serving it late would take from those that can still be served in time, until
/// nobody is.
///
/// The measure is the wait that a command has before it, at the rate at which its queue is answered
/// (`AnswerRate`), against `queue-wait-limit`; and the bytes in it, while such a rate is known. A client's own commands do not count against it: a long
/// pipeline over one connection is held back by that connection, as ever, and refused nothing.
///
/// Replies are in order. So a command that is refused behind others of its connection is told so when
/// those are answered; and until then what follows it is refused too, since it must not be queued
/// before the reply of the refused one.
extension NodeState {
    static let overloadError: StaticString =
        "TRYAGAIN Too many commands are waiting, this one was not executed"

    /// Whether a command of the session would wait too long in a queue of the group.
    func isOverloaded(
        _ group: Int, _ queue: Replica.QueueKind, _ session: borrowing Session, now: ClockReading
    ) -> Bool {
        guard configuration.queueWaitLimit > .seconds(0) else { return false }
        let ownWait: Session.Wait =
            switch queue {
            case .writes: .writes(group)
            case .reads: .reads(group)
            case .nearReads: .nearReads(group)
            }
        let own = session.wait == ownWait ? session.inFlight : 0
        guard let wait = routes[group].expectedWait(queue, without: own, now: now.boot) else {
            return false
        }
        // A full queue would hold sessions back, where nobody sees them wait.
        return wait > configuration.queueWaitLimit
            || own == 0 && routes[group].byteCount >= limits.queueBytes
    }

    /// Refuses the session's next command, which would have to wait too long.
    mutating func refuseOverload(_ session: inout Session, _ spec: CommandSpec) -> Step {
        guard session.leaseMark == nil else { return .wait }
        if session.wait == .nothing {
            statistics.overloadRefusals += 1
            return answerInPlace(&session, spec, isRejection: true) {
                $0.error(Self.overloadError)
            }
        }
        guard session.refusedBehind < limits.sessionInFlight, session.mayRefuseBehind else {
            return .wait
        }
        statistics.overloadRefusals += 1
        session.refusedBehind += 1
        commandStatistics.refusedBehind(spec.id)
        return .done
    }
}

extension Session {
    /// Whether commands may be refused behind those under way.
    var mayRefuseBehind: Bool {
        guard replyMode == .on else { return false }
        switch wait {
        case .writes, .reads, .nearReads: return gather == nil
        case .nothing, .gather, .upload: return false
        }
    }

    /// Everything under way is answered: now come the replies of what was refused behind it.
    mutating func answerRefused() {
        for _ in 0..<refusedBehind {
            output.append(UInt8(ascii: "-"))
            output.append(NodeState.overloadError)
            output.append("\r\n")
        }
        refusedBehind = 0
    }
}
