import Testing

@testable import Commands

/// Replies recorded from redis-server 7.0.15.
@Suite struct `Key commands` {
    @Test func `delete and count keys`() {
        replay(
            #"""
            mset a 1 b 2 c 3 => +OK
            exists a b a x => :3
            touch a x => :1
            del a x b => :2
            exists a b => :0
            unlink c c => :1
            dbsize => :0
            del => -ERR wrong number of arguments for 'del' command
            type a => +none
            set s 1 => +OK
            rpush l 1 => :1
            hset h f v => :1
            sadd t m => :1
            zadd z 1 m => :1
            type s => +string
            type l => +list
            type h => +hash
            type t => +set
            type z => +zset
            dbsize => :5
            """#)
    }

    @Test func `rename`() {
        replay(
            #"""
            rename a b => -ERR no such key
            renamenx a b => -ERR no such key
            set a 1 ex 100 => +OK
            rename a b => +OK
            ttl b => :100
            exists a => :0
            set a 2 => +OK
            rename a b => +OK
            ttl b => :-1
            get b => $1 2
            set c 3 => +OK
            renamenx c b => :0
            renamenx c d => :1
            renamenx d d => :0
            rename d d => +OK
            get d => $1 3
            rename none none => -ERR no such key
            rpush l 1 2 => :2
            rename l b => +OK
            type b => +list
            lrange b 0 -1 => *2 $1 1 $1 2
            rename a => -ERR wrong number of arguments for 'rename' command
            """#)
    }

    @Test func `look inside`() {
        replay(
            #"""
            object encoding none => $-1
            object refcount none => $-1
            object idletime none => $-1
            object freq none => $-1
            3> object encoding none => _
            set a 1 => +OK
            object encoding a => $3 int
            object refcount a => :2147483647
            object idletime a => :0
            object freq a => -ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.
            set a 123456 => +OK
            object refcount a => :1
            set a text => +OK
            object refcount a => :1
            object => -ERR wrong number of arguments for 'object' command
            object foo => -ERR unknown subcommand 'foo'. Try OBJECT HELP.
            object foo a => -ERR unknown subcommand 'foo'. Try OBJECT HELP.
            object encoding => -ERR wrong number of arguments for 'object|encoding' command
            object encoding a b => -ERR wrong number of arguments for 'object|encoding' command
            object help => *15 +OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are: +ENCODING <key> +    Return the kind of internal representation used in order to store the value +    associated with a <key>. +FREQ <key> +    Return the access frequency index of the <key>. The returned integer is +    proportional to the logarithm of the recent access frequency of the key. +IDLETIME <key> +    Return the idle time of the <key>, that is the approximated number of +    seconds elapsed since the last access to the key. +REFCOUNT <key> +    Return the number of references of the value associated with the specified +    <key>. +HELP +    Prints this help.
            object help x => -ERR wrong number of arguments for 'object|help' command
            """#)
    }

    @Test func `set and ask expiries`() {
        replay(
            #"""
            ttl a => :-2
            pttl a => :-2
            expiretime a => :-2
            pexpiretime a => :-2
            set a 1 => +OK
            ttl a => :-1
            pttl a => :-1
            expiretime a => :-1
            pexpiretime a => :-1
            expire a 100 => :1
            ttl a => :100
            persist a => :1
            persist a => :0
            ttl a => :-1
            expire none 100 => :0
            expire a x => -ERR value is not an integer or out of range
            expire a 100 foo => -ERR Unsupported option foo
            expire a 100 nx xx => -ERR NX and XX, GT or LT options at the same time are not compatible
            expire a 100 nx gt => -ERR NX and XX, GT or LT options at the same time are not compatible
            expire a 100 gt lt => -ERR GT and LT options at the same time are not compatible
            expire a 100 gt lt nx => -ERR NX and XX, GT or LT options at the same time are not compatible
            expire a 100 xx => :0
            expire a 100 gt => :0
            expire a 100 lt => :1
            expire a 200 lt => :0
            expire a 50 lt => :1
            ttl a => :50
            expire a 40 gt => :0
            expire a 60 gt => :1
            ttl a => :60
            expire a 70 xx gt => :1
            expire a 80 nx => :0
            expire a 80 xx xx => :1
            pexpireat a 9999999999999 => :1
            expiretime a => :10000000000
            set far 1 => +OK
            getex far pxat 9223372036854775807 => $1 1
            expiretime far => :9223372036854776
            pexpiretime a => :9999999999999
            expireat a 9999999999 => :1
            pexpiretime a => :9999999999000
            expire a 9223372036854775807 => -ERR invalid expire time in 'expire' command
            pexpire a 9223372036854775807 => -ERR invalid expire time in 'pexpire' command
            expire a -9223372036854775808 => -ERR invalid expire time in 'expire' command
            expireat a 9223372036854775807 => -ERR invalid expire time in 'expireat' command
            pexpireat a 9223372036854775807 => :1
            pexpiretime a => :9223372036854775807
            expire a -1 => :1
            exists a => :0
            set a 1 => +OK
            pexpireat a 1 => :1
            exists a => :0
            set a 1 => +OK
            expireat a 0 => :1
            exists a => :0
            set a 1 => +OK
            pexpire a -9223372036854775808 => :1
            exists a => :0
            persist none => :0
            expire => -ERR wrong number of arguments for 'expire' command
            expire a => -ERR wrong number of arguments for 'expire' command
            """#)
    }

    @Test func `work on whole databases`() {
        replay(
            #"""
            randomkey => $-1
            3> randomkey => _
            keys * => *0
            set one 1 => +OK
            randomkey => $3 one
            keys * => *1 $3 one
            keys o?e => *1 $3 one
            keys [a-o]ne => *1 $3 one
            keys two => *0
            dbsize => :1
            flushdb foo => -ERR syntax error
            flushall async sync => -ERR syntax error
            flushdb async => +OK
            dbsize => :0
            set one 1 => +OK
            flushall sync => +OK
            dbsize => :0
            set "" empty => +OK
            keys * => *1 $0 \#("")
            keys ** => *0
            keys "" => *1 $0 \#("")
            flushall => +OK
            scan x => -ERR invalid cursor
            scan - => -ERR invalid cursor
            scan "" => *2 $1 0 *0
            scan 0 => *2 $1 0 *0
            scan 0 count 0 => -ERR syntax error
            scan 0 count x => -ERR value is not an integer or out of range
            scan 0 count => -ERR syntax error
            scan 0 match => -ERR syntax error
            scan 0 foo bar => -ERR syntax error
            scan 18446744073709551616 => -ERR invalid cursor
            scan 0 match x count 10 type string => *2 $1 0 *0
            set one 1 => +OK
            rpush two 2 => :1
            scan 0 match o* => *2 $1 0 *1 $3 one
            scan 0 type list => *2 $1 0 *1 $3 two
            scan 0 type STRING => *2 $1 0 *1 $3 one
            scan 0 type foo => *2 $1 0 *0
            scan 0 match t* type string => *2 $1 0 *0
            3> scan 0 match one => *2 $1 0 *1 $3 one
            """#)
    }
}
