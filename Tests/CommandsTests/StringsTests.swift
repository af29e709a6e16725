import Testing

@testable import Commands

/// Replies recorded from redis-server 7.0.15.
@Suite struct `String commands` {
    @Test func `set and get`() {
        replay(
            #"""
            set a hello => +OK
            get a => $5 hello
            GET b => $-1
            3> get b => _
            set a 12345 => +OK
            get a => $5 12345
            strlen a => :5
            strlen b => :0
            set a 1 2 => -ERR syntax error
            set a 1 nx => $-1
            set a 1 xx => +OK
            get a => $1 1
            set b 1 xx => $-1
            3> set b 1 xx => _
            set b 1 nx => +OK
            set a 2 get => $1 1
            set n 2 get => $-1
            set n 3 nx get => $1 2
            get n => $1 2
            set m 3 nx get => $-1
            get m => $1 3
            set o 3 xx get => $-1
            exists o => :0
            set a 1 nx xx => -ERR syntax error
            set a 1 ex => -ERR syntax error
            set a 1 ex x => -ERR value is not an integer or out of range
            set a 1 ex 0 => -ERR invalid expire time in 'set' command
            set a 1 ex -5 => -ERR invalid expire time in 'set' command
            set a 1 px 9223372036854775807 => -ERR invalid expire time in 'set' command
            set a 1 ex 9223372036854775 => -ERR invalid expire time in 'set' command
            set a 1 exat 0 => -ERR invalid expire time in 'set' command
            set a 1 ex 10 px 10 => -ERR syntax error
            set a 1 ex 10 ex 100 => +OK
            ttl a => :100
            set a 2 keepttl => +OK
            ttl a => :100
            set a 3 => +OK
            ttl a => :-1
            set a 1 keepttl ex 10 => -ERR syntax error
            set a 1 persist => -ERR syntax error
            set a 1 pxat 9999999999999 => +OK
            lpush l 1 => :1
            set l 1 get => -WRONGTYPE Operation against a key holding the wrong kind of value
            get l => -WRONGTYPE Operation against a key holding the wrong kind of value
            strlen l => -WRONGTYPE Operation against a key holding the wrong kind of value
            set l 1 => +OK
            get l => $1 1
            set => -ERR wrong number of arguments for 'set' command
            set a => -ERR wrong number of arguments for 'set' command
            get => -ERR wrong number of arguments for 'get' command
            get a b => -ERR wrong number of arguments for 'get' command
            """#)
    }

    @Test func `replace and read in one step`() {
        replay(
            #"""
            getset a 1 => $-1
            getset a 2 => $1 1
            get a => $1 2
            getdel a => $1 2
            getdel a => $-1
            exists a => :0
            rpush l x => :1
            getset l 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            getdel l => -WRONGTYPE Operation against a key holding the wrong kind of value
            getex l => -WRONGTYPE Operation against a key holding the wrong kind of value
            getex a => $-1
            getex a ex 0 => $-1
            set a v => +OK
            getex a => $1 v
            getex a ex 100 => $1 v
            ttl a => :100
            getex a persist => $1 v
            ttl a => :-1
            getex a ex 0 => -ERR invalid expire time in 'getex' command
            getex a px abc => -ERR value is not an integer or out of range
            getex a persist ex 1 => -ERR syntax error
            getex a keepttl => -ERR syntax error
            getex a nx => -ERR syntax error
            getex a exat 1 => $1 v
            exists a => :0
            setnx a 1 => :1
            setnx a 2 => :0
            get a => $1 1
            setex a 100 v => +OK
            ttl a => :100
            setex a 0 v => -ERR invalid expire time in 'setex' command
            setex a x v => -ERR value is not an integer or out of range
            psetex a -1 v => -ERR invalid expire time in 'psetex' command
            psetex a 100000 w => +OK
            get a => $1 w
            setex a 9223372036854775807 v => -ERR invalid expire time in 'setex' command
            setnx l 1 => :0
            """#)
    }

    @Test func `take many keys`() {
        replay(
            #"""
            mset a 1 b 2 c => -ERR wrong number of arguments for 'mset' command
            mset a 1 b 2 a 3 => +OK
            mget a b c => *3 $1 3 $1 2 $-1
            3> mget a b c => *3 $1 3 $1 2 _
            lpush l 1 => :1
            mget a l b => *3 $1 3 $-1 $1 2
            msetnx c 1 a 2 => :0
            exists c => :0
            msetnx c 1 d 2 c 3 => :1
            mget c d => *2 $1 3 $1 2
            msetnx c 1 d => -ERR wrong number of arguments for 'msetnx' command
            mset => -ERR wrong number of arguments for 'mset' command
            mget => -ERR wrong number of arguments for 'mget' command
            """#)
    }

    @Test func `append and overwrite`() {
        replay(
            #"""
            append a 1 => :1
            object encoding a => $3 int
            append a 2 => :2
            get a => $2 12
            object encoding a => $3 raw
            incr a => :13
            object encoding a => $3 int
            setrange b 3 xyz => :6
            strlen b => :6
            object encoding b => $3 raw
            setrange b 0 "" => :6
            setrange c 0 "" => :0
            exists c => :0
            setrange c 0 abc => :3
            setrange c 1 Z => :3
            get c => $3 aZc
            setrange c -1 Z => -ERR offset is out of range
            setrange c x Z => -ERR value is not an integer or out of range
            setrange c 536870912 Z => -ERR string exceeds maximum allowed size (proto-max-bulk-len)
            setrange c 536870911 ab => -ERR string exceeds maximum allowed size (proto-max-bulk-len)
            setrange c 9223372036854775807 Z => -ERR string exceeds maximum allowed size (proto-max-bulk-len)
            lpush l 1 => :1
            append l 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            setrange l 0 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            setrange l 0 "" => -WRONGTYPE Operation against a key holding the wrong kind of value
            set e "" => +OK
            append e "" => :0
            object encoding e => $3 raw
            strlen e => :0
            set short hello => +OK
            object encoding short => $6 embstr
            set long 012345678901234567890123456789012345678901234 => +OK
            object encoding long => $3 raw
            set limit 01234567890123456789012345678901234567890123 => +OK
            object encoding limit => $6 embstr
            """#)
    }

    @Test func `read ranges`() {
        replay(
            #"""
            set a "Hello World" => +OK
            getrange a 0 4 => $5 Hello
            getrange a -5 -1 => $5 World
            getrange a 0 -1 => $11 Hello World
            getrange a 0 -100 => $1 H
            getrange a -100 2 => $3 Hel
            getrange a 5 2 => $0 \#("")
            getrange a -1 -5 => $0 \#("")
            getrange a 100 200 => $0 \#("")
            getrange a 0 9223372036854775807 => $11 Hello World
            getrange a -9223372036854775808 0 => $1 H
            getrange a x 1 => -ERR value is not an integer or out of range
            getrange none 0 1 => $0 \#("")
            getrange none x 1 => -ERR value is not an integer or out of range
            substr a 1 3 => $3 ell
            substr a 1 => -ERR wrong number of arguments for 'substr' command
            set n -1234 => +OK
            getrange n 0 1 => $2 -1
            getrange n 1 -1 => $4 1234
            set e "" => +OK
            getrange e 0 -1 => $0 \#("")
            lpush l 1 => :1
            getrange l 0 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            """#)
    }

    @Test func `count`() {
        replay(
            #"""
            incr a => :1
            incr a => :2
            decr a => :1
            incrby a 10 => :11
            decrby a 20 => :-9
            incrby a x => -ERR value is not an integer or out of range
            incrby a 1.5 => -ERR value is not an integer or out of range
            incrby a 9223372036854775808 => -ERR value is not an integer or out of range
            decrby a -9223372036854775808 => -ERR decrement would overflow
            set a 9223372036854775807 => +OK
            incr a => -ERR increment or decrement would overflow
            decr a => :9223372036854775806
            set a -9223372036854775808 => +OK
            decr a => -ERR increment or decrement would overflow
            decrby a 1 => -ERR increment or decrement would overflow
            set a " 1" => +OK
            incr a => -ERR value is not an integer or out of range
            set a 01 => +OK
            incr a => -ERR value is not an integer or out of range
            set a "" => +OK
            incr a => -ERR value is not an integer or out of range
            lpush l 1 => :1
            incr l => -WRONGTYPE Operation against a key holding the wrong kind of value
            incrby l 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            incrbyfloat l 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            set r 5 => +OK
            append r 0 => :2
            incr r => :51
            object encoding r => $3 int
            """#)
    }

    @Test func `count in long doubles`() {
        replay(
            #"""
            incrbyfloat a 0.1 => $3 0.1
            incrbyfloat a 0.2 => $3 0.3
            get a => $3 0.3
            incrbyfloat a -0.3 => $1 0
            object encoding a => $6 embstr
            incrbyfloat a 1e3 => $4 1000
            incrbyfloat a x => -ERR value is not a valid float
            incrbyfloat a "" => -ERR value is not a valid float
            incrbyfloat a " 1" => -ERR value is not a valid float
            incrbyfloat a nan => -ERR value is not a valid float
            incrbyfloat a inf => -ERR increment would produce NaN or Infinity
            get a => $4 1000
            set a 3.0e3 => +OK
            incrbyfloat a 200 => $4 3200
            set a abc => +OK
            incrbyfloat a 1 => -ERR value is not a valid float
            set a 10.50 => +OK
            incrbyfloat a 0.1 => $4 10.6
            incrbyfloat a -5 => $3 5.6
            set a 1 => +OK
            incrbyfloat a 1 => $1 2
            object encoding a => $6 embstr
            set b 5 ex 100 => +OK
            incrbyfloat b 1.5 => $3 6.5
            ttl b => :100
            incrbyfloat big 1e20 => $21 100000000000000000000
            incrbyfloat big 0.00000000000000001 => $21 100000000000000000000
            incrbyfloat big 1e4932 => $4933 1000000000000000000006018949387963891323837774254533114773785041352533019486608722407533327779433142773666525563666277682061860906440460336623416164931097542108653623739947237824273607755646282077337746770628281083461244709457643633409272844851420914666765408339856497738306756454137037618440476182982865954054046320908299555942321302503320602080070208203623921079151881460203745014774931620490030394998719312614654064081373493248877120892455186383753439197870978041502797716880193955403107721911638646256939484197293128160329482360996995779489224859264034146949087194820794222433687849284561987230134006305414553626323614864479565079390052761980633463640128979696615362545507608303960553830866145592644372289102918602696741767741297153998359263135897985849697638678310586803720024647593066044070323761747439375151949994191528876172274034561238465689530914002496208547488452249219821049217690359246594326188537200846025476936856707726986425804304053688317572380292690880454677852210458790733177421098965346383845533016192965653377533421097553773202105452559589360227732550843545717469715211293029277100649951579279463212875228768700827274629951331584994203243708412190948315614798641721054158397351395747758548328754270534225721361640356227816080094892433366902417454242382629232277544026609640255325557814321580325340352330660617642326696140257239552549121071985189443846777623334881929189773707008403466595204838733621633273383631944856989484138444978386656058755310848833689791896484998847550364264104800800578245511762594691161545730891319744107953897993101008217601269310629890308357893793344340072837782716410520818640099771094401772024731084835860689936533035726854175396195351768096519310944631445923638053214575993378468775292865871435742249777979822775014324475845899615096380079899099538453121043851821349178371736640702645304284254885437611441690360616466368202194307769462209963387690446576691969551571041941288302648912827345194286271122230347823246073498285153708579500062656222714954113329293953346495615947784091175883554988117167387650681525781361864450364992605079129770604793291076559668041153558254765774288831330658676910296506538343982699076824147706077401185501337053676875440863113630172067902223837838525802181406003942606507609826320015193807633035586661539150425605940691768637845815434184585255915074081317250319572700370579877977177644345205933505850374212779064837146242765034714569464306865784829936445754893825213995710137567750342556762329137973387913047300554841737506800154984198686923965286147079273203561004647365286049876790788288301130050437207489067798842078443360167772245834103629301041345252122743437501935254370757049878526838283810705343010153283985958550741661374001212323172562230037290597675029278865489570268803618001520280748588481858632332145422181524500970533738858652881625738158955840469334830106366243262210429210258173978186522208306814207038831590332622155464159216193005478809313772661406449321989529908990407599717265354887081027622412165764793106246309910984757869627982700885055259900973567128498437782671492610351088858271463387495833021819318548705558606395846070390500323204636339383655528123657438115225035433947543876805317781492691295772410403746456774175666884503175504415270824258750305653788473882671038340481278188648013647450190431469737277008003041204693859153544058059108384516541261521127088116402349679151317227395183628490922161336429757386698401928682323657056924758648793848799822907606679071280964393541325129231682456669123450140879120137931548652537601508656209183486928384515842973760163601756230697826779237275078471824258664382133759876151537532598429521999758431018087001817485300919479583171049967781322202936864648780744025361452947117776701129210049872555316467204668470989130203733391349501708713181244068921199587314823974568234174792429139799088587794666528769986602820375968045445209219875596678877912103336949894142378173648692130854177898020194629670311101994938157038765957014792056173739623614871557317714453597336202068774935086409386414223375141765601758268418764114651053088281009248246110195084364468926837572992870110411414878770616397817334529367403238061699632089293543118185299881280463481800696201966723511922556078483839325067415562633057448408746541808590342228476964416681055875561781810005936328191844815915658719683522845979901018335050006246392027657149580332319739660376707180429166280658258434773362764563277134220525779869893832824866422909928484939374964071386248088592408142723646533801882861736205992781965360090000802821408763787641023437653119263757280212773694655213507075717622521160227187157631635583682130089364682543007292042009976150135189415923413244100006421082817394988300265734422677548100741829682842668334472314928702968616204691717366798642916146473018363370523427203416579250811577900985980957404830019403600361860520985937973506956557739754741783354728589350876379371163141086538418113791886622720
            """#)
    }
}
