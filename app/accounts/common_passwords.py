"""Passwords that everybody tries first. Only those of eight characters or more: shorter ones are refused anyway.

Compared in lower case and, a second time, without the digits and signs at the end, so that ``Password2026!`` is
refused as ``password`` is.
"""

COMMON = frozenset(
    """
    00000000 11111111 12121212 12341234 12344321 1234567890 12345678 123456789 123123123 12345678910 87654321
    0123456789 987654321 9876543210 66666666 88888888 99999999 123454321 147258369 159753456 987456321 1q2w3e4r
    1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx 1qaz2wsx3edc 1qazxsw2 2wsx3edc q1w2e3r4 q1w2e3r4t5 qwer1234 qwerasdf
    qwerty12 qwerty123 qwerty1234 qwerty12345 qwertyui qwertyuiop qwertyuiop123 qwertzui qwertzuiop azertyui
    azertyuiop asdfasdf asdfghjk asdfghjkl asdf1234 zxcvbnm1 zxcvbnm123 zaq12wsx zaq1zaq1 zaqwsxcde
    password password1 password12 password123 password1234 passw0rd p@ssword p@ssw0rd p@55w0rd pa55word
    passwort passwort1 passwort123 motdepasse contrasena wachtwoord senha123 parola123 hasło123
    administrator administrateur adminadmin admin123 admin1234 admin12345 admin123456 administrator1 rootroot
    root1234 toortoor superuser sysadmin operator supervisor manager1 letmein1 letmeinnow letmein123 welcome1
    welcome12 welcome123 welcome1234 changeme changeme1 changeme123 changethis changeit default1 default123
    temp1234 temporary secret123 secretsecret topsecret test1234 testtest test12345 testing1 testing123 tester123
    guest123 guestguest user1234 useruser access14 access123 iloveyou iloveyou1 iloveyou2 iloveyou123 sunshine
    sunshine1 princess princess1 princess123 football football1 baseball baseball1 basketball superman superman1
    batman123 spiderman starwars starwars1 pokemon1 pokemon123 michelle jennifer jessica1 charlie1 ashley12
    michael1 michael123 jordan23 jordan123 hunter12 hunter123 computer computer1 computer123 internet internet1
    whatever whatever1 trustno1 master12 master123 monkey12 monkey123 dragon12 dragon123 shadow12 shadow123
    killer12 freedom1 liverpool liverpool1 chelsea1 arsenal1 barcelona realmadrid juventus mercedes ferrari1
    samsung1 samsung123 google123 facebook facebook1 linkedin microsoft windows1 windows10 ubuntu123 linux123
    debian123 raspberry ansible1 ansible123 terraform vagrant1 jenkins1 jenkins123 docker123 kubernetes
    millwright millwright1 correcthorsebatterystaple letmeinplease opensesame abcd1234 abcdefgh abcdefghi
    abcdefghij abcabcabc abc12345 abc123abc a1b2c3d4 a1b2c3d4e5 aa123456 aaaaaaaa alexander elizabeth
    christopher butterfly chocolate blink182 babygirl babygirl1 lovelove lovely12 sweetheart cristina estrella
    anderson benjamin caroline cocacola corvette danielle darkness december november october september february
    elephant explorer falcons1 fernando firebird garfield gateway1 godzilla hallo123 hello123 hellohello
    helloworld harley12 hannover isabella jonathan kimberly lol12345 marlboro maverick metallica midnight
    mountain mustang1 nicholas nintendo patricia phoenix1 playstation qazwsxedc rainbow1 redskins samantha
    scorpion security security1 slipknot snowball softball steelers stephanie superstar swordfish trinity1
    veronica victoria volleyball william1 winter123 summer123 spring123 autumn123 yankees1 zaqxswcde
    """.split()  # noqa: SIM905
)
_TAIL = "0123456789!?.,-_#*$@+%&="


def is_common(password: str) -> bool:
    """Say whether ``password`` is among the best known ones, alone or with digits and signs behind it."""
    lowered = password.lower()
    return lowered in COMMON or (lowered.rstrip(_TAIL) in COMMON) or len(set(lowered)) <= 2
