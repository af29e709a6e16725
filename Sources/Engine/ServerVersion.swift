/// The version that clients compare, and Skein's own: the one place for both.
public enum ServerVersion {
    /// The Redis version whose behaviour this is.
    public static let redis = "7.0.15"
    public static let skein = "0.1.0"
}
