//! Objects by name, as one watch tells of them.

use std::collections::HashMap;

/// The objects of one watch.
#[derive(Debug)]
pub(super) struct Table<V> {
    entries: HashMap<Box<str>, Entry<V>>,
    /// Which list is the last one that was begun.
    list: u32,
    /// Whether one came to its end.
    listed: bool,
}

#[derive(Debug)]
struct Entry<V> {
    /// The list that was the last one when it was heard of.
    list: u32,
    value: V,
}

impl<V> Table<V> {
    /// A list begins, the first or another one. What is known stays known until it has ended.
    pub(super) fn begin(&mut self) {
        self.list = self.list.wrapping_add(1);
    }

    /// The list has ended: what it had not is gone.
    pub(super) fn end(&mut self) {
        let list = self.list;
        self.entries.retain(|_, entry| entry.list == list);
        self.entries.shrink_to_fit();
        self.listed = true;
    }

    /// An object is there.
    pub(super) fn put(&mut self, key: Box<str>, value: V) {
        let list = self.list;
        self.entries.insert(key, Entry { list, value });
    }

    /// An object is gone.
    pub(super) fn remove(&mut self, key: &str) {
        self.entries.remove(key);
    }

    pub(super) fn get(&self, key: &str) -> Option<&V> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// Whether a list came to its end, once.
    pub(super) const fn is_listed(&self) -> bool {
        self.listed
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            list: 0,
            listed: false,
        }
    }
}

/// The key of an object.
pub(super) fn key(namespace: &str, name: &str) -> Box<str> {
    [namespace, "/", name].concat().into_boxed_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_new_list_has_not_is_gone_when_it_ends() {
        let mut table = Table::default();
        assert!(!table.is_listed());
        table.begin();
        table.put(key("shop", "web"), 1);
        table.put(key("shop", "api"), 2);
        assert!(!table.is_listed());
        table.end();
        assert!(table.is_listed());
        table.put(key("shop", "db"), 3);

        // Interrupted, and begun anew: everything is known meanwhile.
        table.begin();
        table.put(key("shop", "web"), 4);
        table.begin();
        assert_eq!(table.get("shop/api"), Some(&2));
        table.put(key("shop", "web"), 5);
        assert!(table.is_listed());
        table.end();
        assert_eq!(table.get("shop/web"), Some(&5));
        assert_eq!((table.get("shop/api"), table.get("shop/db")), (None, None));

        table.remove("shop/web");
        assert_eq!(table.len(), 0);
    }
}
