import Bytes
import Cluster
import Testing

@testable import Store

/// A keyspace with text for keys and values.
final class TextKeyspace {
    var store: Keyspace

    init(ranges: [SlotRange] = [.all], order: SipHash = testOrder, logTime: Int64 = 1000) {
        store = Keyspace(ranges: ranges, hash: order, limits: EncodingLimits())
        store.logTime = logTime
    }

    func set(
        _ key: String, _ value: String, in database: Int = 0, as form: StringForm = .compact,
        expiry: ExpiryChange = .remove
    ) {
        let (key, value) = (bytes(key), bytes(value))
        store.set(key.span, in: database, to: value.span, as: form, expiry: expiry)
    }

    func handle(_ key: String, in database: Int = 0) -> KeyHandle? {
        let key = bytes(key)
        return store.locate(key.span, in: database)
    }

    func remove(_ key: String, in database: Int = 0) {
        guard let handle = handle(key, in: database) else { return }
        store.remove(handle)
    }

    subscript(key: String) -> String? {
        guard let handle = handle(key) else { return nil }
        return string(handle)
    }

    func string(_ handle: KeyHandle) -> String {
        text(of: handle, in: store)
    }

    func encoding(_ key: String) -> String? {
        handle(key).map { store.encodingName($0).description }
    }

    func append(_ key: String, _ more: String) -> Int {
        let more = bytes(more)
        return store.append(handle(key)!, more.span)
    }

    func overwrite(_ key: String, at offset: Int, with text: String) -> Int {
        let text = bytes(text)
        return store.overwrite(handle(key)!, at: offset, with: text.span)
    }

    func rename(_ key: String, to name: String) {
        let name = bytes(name)
        store.rename(handle(key)!, to: name.span)
    }

    func keys(in database: Int = 0) -> [String] {
        var keys: [String] = []
        store.visitKeys(database) { handle in
            keys.append(name(of: handle, in: store))
            return true
        }
        return keys
    }
}

/// The value of a string key.
func text(of handle: KeyHandle, in store: borrowing Keyspace) -> String {
    switch store.string(handle) {
    case .integer(let number): String(number)
    case .bytes(let bytes): String(decoding: array(bytes), as: UTF8.self)
    }
}

/// The key itself.
func name(of handle: KeyHandle, in store: borrowing Keyspace) -> String {
    String(decoding: array(store.key(of: handle)), as: UTF8.self)
}

/// Whether a string key's value is the very memory of `span`.
func isStored(
    _ span: Span<UInt8>, at handle: KeyHandle, in store: borrowing Keyspace
) -> Bool {
    guard case .bytes(let bytes) = store.string(handle) else { return false }
    return bytes.isIdentical(to: span)
}
