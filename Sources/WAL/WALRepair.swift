internal import Bytes
internal import Raft

/// How a damaged log is made fit for a start, in a cluster whose other members have what is lost.
///
/// The log is cut before the damage. What was behind is set aside; the entries come again from the
/// peers. Terms, votes and node records must not be lost with them: they are in the copies beside
/// the log (`WALStateCopy`), or there is no repair.
///
/// The host executes it in this order, each step durable before the next begins:
/// 1. put `intent` in the place of its file, by a rename: half a copy there would cost what is known of
///    votes. From now on every start knows that entries may be missing, and goes on with this repair,
///    however far it came;
/// 2. remove the marks beside the log (`WALMark`), which know of batches that are cut off;
/// 3. set the files of `setAside` aside, in this order;
/// 4. start. The first batch of the run holds what `intent` knows and the log does not.
public struct WALRepair: Sendable {
    public let intent: WALStateCopy
    /// Segments behind the damage, the newest first.
    public let setAside: [UInt64]
    /// The last batch that is kept; 0 if nothing is.
    public let lastBatch: UInt64
}

extension WALRecovery {
    /// Recovers the log for a start, damaged or not. Changes nothing; what the host has to do first
    /// is in the result's `repair`.
    ///
    /// Damage in what snapshots stand for is in nobody's way. Other damage is cut off when peers can
    /// give back what was lost.
    ///
    /// - Parameters:
    ///   - mayRepair: the groups have other members.
    ///   - snapshots: the newest whole snapshot of every group that has one. Asked for only when the
    ///     log is damaged, since somebody has to read them through.
    /// - Throws: the damage, where it cannot be repaired.
    public static func open(
        _ source: borrowing some WALSource & ~Copyable, _ parameters: WALParameters,
        mayRepair: Bool, snapshots: () -> [WALSnapshot]
    ) throws(WALError) -> RecoveredLog {
        let damage: WALError
        do throws(WALError) { return try recover(from: source, parameters) } catch {
            damage = error
        }
        guard damage.canBeRepaired else { throw damage }
        var parameters = parameters
        parameters.snapshots = snapshots()
        do throws(WALError) {
            var log = try recover(from: source, parameters)
            log.damage = damage
            return log
        } catch {
            guard mayRepair else { throw damage }
        }
        var log = try repair(damage, from: source, parameters)
        log.damage = damage
        return log
    }

    /// Recovers what is left of a log that `recover` refuses: only where other nodes have all that
    /// was acknowledged. The result says `wasCut`. Changes nothing yet: see `WALRepair`.
    ///
    /// - Throws: `damage` itself when no repair is possible: it is not the damage of a disk, or it is
    ///   not certain what this node has voted for.
    public static func repair(
        _ damage: WALError, from source: borrowing some WALSource & ~Copyable,
        _ parameters: WALParameters
    ) throws(WALError) -> RecoveredLog {
        guard damage.canBeRepaired, let copy = source.stateCopies.trusted else { throw damage }
        let runs = try SegmentChain.runs(of: source)
        guard let oldest = runs.first else { return lost(copy, source.segments, parameters) }
        guard oldest.headers[0].logIdentity == copy.logIdentity else { throw damage }
        // The newest run that is complete as far as it can be read: what is in front of it was not
        // needed, like a file that was given up and is still there. If there is none, then the damage
        // took something that is needed, and what joins it is in the oldest run.
        var chosen = 0
        for at in runs.indices.reversed() where at > 0 {
            guard let replay = read(runs[at], source, parameters) else { throw damage }
            guard replay.state.hasBeginning, replay.state.isComplete(with: parameters.snapshots)
            else { continue }
            chosen = at
            break
        }
        let chain = runs[chosen]
        guard let replay = read(chain, source, parameters) else { throw damage }
        guard replay.state.hasBeginning, let last = replay.segments.all.last,
            let newest = chain.headers.first(where: { $0.segment == last.number })
        else { return lost(copy, source.segments, parameters) }
        var intent = copy
        intent.sequence += 1
        intent.batch = replay.expected.number - 1
        intent.cutsDamage = true
        var log = RecoveredLog(
            replay, newest, intent.sequence, parameters, segments: source.segments)
        log.adopt(intent)
        log.beginBehind(parameters.snapshots, whereverIncomplete: false)
        log.repair = WALRepair(
            intent: intent,
            setAside: source.segments.filter { $0 > newest.segment }.reversed(),
            lastBatch: intent.batch)
        return log
    }

    /// Replays a run up to its first damage. Nil: it was written wrongly, which is no case for a
    /// repair.
    private static func read(
        _ chain: SegmentChain, _ source: borrowing some WALSource & ~Copyable,
        _ parameters: WALParameters
    ) -> LogReplay? {
        var replay = LogReplay(chain, tailBytesMax: parameters.tailBytesMax)
        do throws(WALError) {
            try replay.run(chain, source, skippingDamage: false)
        } catch {
            guard error.canBeRepaired else { return nil }
            replay.endEarly()
        }
        return replay
    }

    /// Nothing of the log can be used.
    private static func lost(
        _ copy: WALStateCopy, _ segments: [UInt64],
        _ parameters: WALParameters
    ) -> RecoveredLog {
        var intent = copy
        intent.sequence += 1
        intent.batch = 0
        intent.cutsDamage = true
        var log = RecoveredLog.lost(intent, parameters)
        log.repair = WALRepair(intent: intent, setAside: segments.reversed(), lastBatch: 0)
        return log
    }
}
