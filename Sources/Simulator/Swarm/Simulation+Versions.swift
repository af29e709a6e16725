internal import Bytes

/// Nodes whose programs are of different versions: some are upgraded when they start again amid the
/// faults, and in the end an operator upgrades the others, one after the other.
///
/// The newer program is this one, which pretends to speak a version more. What is tested is what two
/// releases have to get right: that they talk to each other, that the cluster's version rises when all
/// members speak it and never earlier, and that nobody is lost on the way.
extension Simulation {
    static let newVersion: UInt32 = 2

    /// Before a process starts.
    func considerUpgrade(_ number: Int) {
        let node = nodes[number]
        guard options.mixesVersions, node.version < Self.newVersion else { return }
        if node.life == 0 {
            // A spare may come when the cluster does not speak the old version any more.
            if absent.contains(number) || faultRandom.happens(0.3) {
                node.version = Self.newVersion
            }
        } else if node.isToBeUpgraded || phase == .safety && faultRandom.happens(0.2) {
            node.version = Self.newVersion
            counts.add(.upgraded)
            trace.record(.phase, at: now, who: number, text: "is upgraded")
        }
    }

    /// After a turn.
    func watchVersions(_ process: SimulatedProcess, of number: Int) {
        guard options.mixesVersions else { return }
        if !process.hasMetOtherVersion,
            process.peerVersions.contains(where: { $0 != nodes[number].version })
        {
            process.hasMetOtherVersion = true
            counts.add(.versionsMixed)
        }
        guard process.clusterVersion == Self.newVersion, !hasRaisedVersion else { return }
        hasRaisedVersion = true
        counts.add(.versionRaised)
        for other in presentNodes where nodes[other].version < Self.newVersion {
            fail("versions", "the cluster's version has risen, and node \(other) is an old one")
        }
    }

    /// A node that waits to be taken in and is too old by now: its operator reads why it is refused.
    func upgradeNewcomers() {
        guard options.mixesVersions, hasRaisedVersion else { return }
        for number in absent.sorted()
        where nodes[number].isUp && nodes[number].version < Self.newVersion {
            nodes[number].isToBeUpgraded = true
            askToEnd(number)
        }
    }

    /// Upgrades those that are left, one after the other, each with a proper end; then the cluster must
    /// come to the new version.
    /// - Returns: false when something was found.
    func finishUpgrade() -> Bool {
        guard options.mixesVersions else { return true }
        for number in presentNodes where nodes[number].version < Self.newVersion {
            nodes[number].isToBeUpgraded = true
            let life = nodes[number].life
            while foundSoFar.isEmpty, nodes[number].life == life, nodes[number].isUp {
                askToEnd(number)
                advance(by: .milliseconds(5))
            }
            let isBack = advance(inSteps: .milliseconds(5), within: options.healing) {
                nodes[number].life > life && isReady([number])
            }
            guard foundSoFar.isEmpty else { return false }
            guard isBack else {
                complainAboutLiveness("node \(number) is not back after its upgrade")
                return false
            }
        }
        let hasRisen = advance(inSteps: .milliseconds(20), within: options.healing) {
            presentNodes.allSatisfy { nodes[$0].process?.clusterVersion == Self.newVersion }
        }
        guard foundSoFar.isEmpty else { return false }
        guard hasRisen else {
            complainAboutLiveness("all nodes are upgraded, and the cluster's version does not rise")
            return false
        }
        return true
    }
}
