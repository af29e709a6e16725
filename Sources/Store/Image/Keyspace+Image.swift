public import Bytes

extension Keyspace {
    /// Begins an image of the keyspace as it stands now; changes from here on do not show in it.
    /// O(1). One image at a time.
    public mutating func beginImage() {
        var keys = 0
        for database in 0..<Self.databaseCount { keys += keyCount(database) }
        core.state.image.begin(ImageWriter(logTime: logTime, limits: limits, keyCount: keys))
    }

    /// Whether an image has been begun and is neither whole nor abandoned.
    public var isImaging: Bool { core.state.image.isActive }

    /// Appends the next stretch of the image: about `budget` bytes, one element more at most (a
    /// string is cut), with work bounded accordingly. True when the image is whole, and over.
    ///
    /// The bytes depend on the keyspace at `beginImage` alone: not on budgets, nor on what changed
    /// meanwhile. What the image has kept is freed by `reclaim`.
    public mutating func continueImage(into bytes: inout ByteBuffer, budget: Int) -> Bool {
        invariant(isImaging, "went on with no image")
        let start = bytes.count
        var limit = start + max(budget, 1)
        core.state.image.writer.writeHeader(&bytes)
        while bytes.count < limit {
            guard let next = core.state.image.next(in: core.state.databases) else {
                core.state.image.writer.writeEnd(&bytes, from: start)
                core.endImage()
                return true
            }
            if let item = next.item {
                let isWhole = core.state.image.writer.write(
                    item, in: next.site.database, &bytes, limit: limit)
                if !isWhole { break }
            } else {
                // A key that was absent costs a step as well.
                limit -= 64
            }
            core.finishImage(of: next)
        }
        core.state.image.writer.sum(bytes, from: start)
        return false
    }

    /// Gives the image up, if one is being made. What it has kept is freed by `reclaim`.
    public mutating func abandonImage() {
        if isImaging { core.endImage() }
    }

    /// Heap that is taken only because of the image being made: keys that changed since, and nodes
    /// of collections that had to be copied.
    public var imageHeldBytes: Int { core.state.image.bytes }
}

extension KeyspaceCore {
    fileprivate func finishImage(of key: ImageState.Next) {
        guard let kept = state.image.advance(over: key) else { return }
        state.image.bytes -= kept.item.heapBytes
        state.dropQueue.dispose(of: kept)
    }

    fileprivate func endImage() { state.image.end(&state.dropQueue) }
}
