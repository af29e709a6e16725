internal import Bytes

/// What an operator has under way with the cluster's nodes: one thing at a time.
struct Operations: CustomStringConvertible {
    /// A node that was met, and is not a member yet.
    var joining: Int?
    /// A node that was forgotten, and its id.
    var leaving: (node: Int, id: Int)?
    /// A node that lost its directory, and is not a member again.
    var wiped: Int?

    var areOver: Bool { joining == nil && leaving == nil && wiped == nil }

    var description: String {
        "joining \(joining ?? 0) leaving \(leaving?.node ?? 0) wiped \(wiped ?? 0)"
    }
}

/// An operator who adds nodes, removes them, and gives lost ones a new disk; and who says what he wants
/// again and again, at any node, until he sees that it is done.
extension Simulation {
    /// Lets a spare join.
    func join() {
        guard operations.areOver, phase == .safety, options.spares > 0 else { return }
        let spares = nodeNumbers.filter { absent.contains($0) && nodes[$0].joins }
        guard !spares.isEmpty else { return }
        operations.joining = faultRandom.pick(spares)
    }

    /// Removes a node, perhaps one that leads, perhaps one that is down.
    func forget() {
        guard operations.areOver, phase == .safety, options.spares > 0, presentNodes.count > 2,
            isFormed
        else { return }
        let leader = aLeader.flatMap { absent.contains($0) ? nil : $0 }
        let node =
            faultRandom.happens(0.4) ? leader ?? presentNodes[0] : faultRandom.pick(presentNodes)
        remove(node)
    }

    /// Whether there is a cluster. A founder that is lost before leaves none, for good.
    private var isFormed: Bool {
        presentNodes.contains { nodes[$0].process.map(hasAllGroups) ?? false }
    }

    func remove(_ node: Int) {
        operations.leaving = (node, nodes[node].raftID)
        absent.insert(node)
    }

    /// A node loses its directory, and starts again on an empty one. No other one may be lost or
    /// going meanwhile, and none that was may still count in some group: what was acknowledged must be on a
    /// majority of the others.
    func loseDirectory(_ downtime: Interval) {
        let present = presentNodes
        guard operations.areOver, phase == .safety, options.spares > 0, present.count > 2,
            present.allSatisfy({ nodes[$0].process?.isMember == true && nodes[$0].damage == nil }),
            areMembersSettled
        else { return }
        let node = faultRandom.pick(present)
        kill(node, powerCut: false, downtime)
        wipe(node)
        // By its configuration alone it would found another cluster.
        if options.nodes == 1 { nodes[node].joins = true }
        operations.wiped = node
    }

    /// Whether all nodes know that exactly the present ones are the voters of every group.
    private var areMembersSettled: Bool {
        let ids = presentNodes.map { nodes[$0].raftID }.sorted()
        return presentNodes.allSatisfy { number in
            guard let process = nodes[number].process else { return false }
            return !process.isChanging && process.electorates().allSatisfy { $0 == ids }
        }
    }

    func operatorActs() {
        guard phase.rawValue < Phase.draining.rawValue else { return }
        schedule(.operatorActs, after: .milliseconds(500))
        if let node = operations.joining {
            if nodes[node].process?.isMember == true {
                counts.add(.joined)
                operations.joining = nil
                absent.remove(node)
            } else {
                operate("CLUSTER MEET 10.0.0.\(node) 7000 17000")
            }
        }
        if let (node, id) = operations.leaving {
            let isGone = presentNodes.contains { number in
                guard let process = nodes[number].process, process.isMember else { return false }
                // A founder that has not heard of the genesis yet knows no members.
                let members = process.memberIDs
                return !members.isEmpty && !members.contains(id)
            }
            if isGone {
                counts.add(.forgotten)
                operations.leaving = nil
                recycle(node)
            } else {
                operate("CLUSTER FORGET \(id)")
            }
        }
        if let node = operations.wiped, nodes[node].process?.isMember == true {
            counts.add(.takenIn)
            operations.wiped = nil
        }
    }

    /// A removed node becomes a spare.
    private func recycle(_ node: Int) {
        crash(node, powerCut: false)
        wipe(node)
        nodes[node].joins = true
        nodes[node].raftID = 0
        restart(node)
    }

    /// Says something at any member that is up.
    func operate(_ command: String) {
        let members = presentNodes.filter { nodes[$0].process?.isMember == true }
        guard !members.isEmpty else { return }
        let node = faultRandom.pick(members)
        trace.record(.fault, at: now, who: node, text: "operator: \(command)")
        operate(command, at: node)
    }

    func operate(_ command: String, at node: Int) {
        guard let process = nodes[node].process else { return }
        deliver(.operation(command), to: node, life: process.life)
    }
}
