import Bytes
import Testing

@testable import Store

@Suite struct `A listpack` {
    static func contents(_ pack: borrowing Listpack) -> [[UInt8]] {
        var all: [[UInt8]] = []
        var offset = 0
        while offset < pack.byteCount {
            all.append(array(pack[offset]))
            offset = pack.offset(after: offset)
        }
        return all
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
    func `behaves as an array of strings under random changes`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var pack = Listpack()
        var model: [[UInt8]] = []
        for step in 0..<3000 {
            let text = random.text(lengthBelow: random.int(below: 20) == 0 ? 300 : 12)
            let index = random.int(below: model.count + 1)
            switch random.int(below: 8) {
            case 0, 1:
                pack.insert(text.span, at: pack.offset(ofEntry: index))
                model.insert(text, at: index)
            case 2:
                pack.append(text.span)
                model.append(text)
            case 3:
                pack.insert(text.span, at: 0)
                model.insert(text, at: 0)
            case 4 where index < model.count:
                pack.replace(at: pack.offset(ofEntry: index), with: text.span)
                model[index] = text
            case 5 where index < model.count && model.count > 40:
                pack.remove(at: pack.offset(ofEntry: index))
                model.remove(at: index)
            case 6 where model.count > 60:
                let end = min(model.count, index + random.int(below: 40))
                pack.remove(
                    from: pack.offset(ofEntry: index), upTo: pack.offset(ofEntry: end),
                    entries: end - index)
                model.removeSubrange(index..<end)
            case 7 where step % 50 == 0:
                let right = pack.split(
                    at: pack.offset(ofEntry: index), entries: model.count - index)
                right.checkInvariants()
                #expect(Self.contents(pack) == Array(model[..<index]))
                pack.append(contentsOf: right)
            default:
                continue
            }
            pack.checkInvariants()
            let contents = Self.contents(pack)
            #expect(contents == model)
        }
    }

    @Test(arguments: [0, 1, 127, 128, 129, 16_383, 16_384, 2_097_151, 2_097_152])
    func `keeps entries of any length`(length: Int) {
        var pack = Listpack()
        pack.append(bytes("before").span)
        pack.append([UInt8](repeating: 7, count: length).span)
        pack.append(bytes("after").span)
        pack.checkInvariants()
        let middle = pack[pack.offset(ofEntry: 1)]
        let count = middle.count
        #expect(count == length)
        let size = pack.offset(ofEntry: 2) - pack.offset(ofEntry: 1)
        #expect(size == Listpack.entrySize(length))
    }

    @Test func `as a queue takes no more room than it needs`() {
        var pack = Listpack()
        let text = bytes("an element")
        for _ in 0..<10 { pack.append(text.span) }
        for _ in 0..<10_000 {
            pack.append(text.span)
            pack.remove(at: 0)
        }
        let allocated = pack.allocatedBytes
        #expect(allocated < 1024)
    }
}
