internal import Bytes

/// Where the collection behind a `ListValue`, `HashValue`, `SetValue` or `SortedSetValue` is: in a
/// key's item, or in an item of its own until a key gets it.
///
/// Every change goes through `change`, so that an image and the books of memory hear of it.
struct CollectionPlace {
    /// A key's value.
    struct Home {
        let core: KeyspaceCore
        let item: Item
        let site: Keyspace.Site
    }

    /// A value that began without a key. The object stays with the handles that were made by then,
    /// and leads them to the key's item when the value has moved there.
    final class Newborn {
        var home: Home?
        var own: OpenItem?

        init(_ form: Item.Form) {
            let open = OpenItem(key: Span(), room: 0, hasExpiry: false)
            open.setEmpty(form)
            own = open
        }

        deinit { own?.destroy() }
    }

    private let newborn: Newborn?
    private let home: Home?

    init(_ home: Home) {
        self.home = home
        newborn = nil
    }

    /// An empty collection without a key.
    init(empty form: Item.Form) {
        home = nil
        newborn = Newborn(form)
    }

    var item: Item {
        if let home { return home.item }
        return newbornItem
    }

    private var newbornItem: Item {
        if let home = newborn!.home { return home.item }
        return newborn!.own!.item
    }

    /// The item is the same: a key's item never moves while a command holds its value.
    func change<R>(_ body: (OpenItem) -> R) -> R {
        if let home { return home.core.change(home.item, at: home.site, body) }
        if let home = newborn!.home { return home.core.change(home.item, at: home.site, body) }
        return body(newborn!.own!)
    }

    /// Gives a part of the value that was cut off to whoever frees large things in slices.
    func dispose(of part: consuming ListTree) {
        guard part.count > 0 else { return }
        guard let home = home ?? newborn?.home else { return }
        let open = OpenItem(key: Span(), room: 0, hasExpiry: false)
        open.setBoxed(part, form: .listTree)
        home.core.state.dropQueue.dispose(of: open)
    }

    /// Moves a value without a key into a key's open item; handles made before lead there.
    func move(to open: OpenItem, _ core: KeyspaceCore, _ site: Keyspace.Site) {
        guard let newborn, let own = newborn.own else {
            invariantFailed("a collection was given to a second key")
        }
        open.takeValue(of: own)
        own.destroy()
        newborn.own = nil
        newborn.home = Home(core: core, item: open.item, site: site)
    }
}
