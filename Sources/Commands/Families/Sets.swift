/// The set commands.
enum Sets {}
