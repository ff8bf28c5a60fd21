#include "jwt/token.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "jwt/forge.hpp"
#include "jwt/remembered.hpp"

using namespace edge::jwt;

namespace edge::jwt {
inline std::ostream& operator<<(std::ostream& out, Verdict verdict)
{
    return out << verdict_name(verdict);
}
}

namespace {

const std::string kSecret = "a secret of more than 32 bytes, known to the app";
constexpr std::int64_t kNow = 1'700'000'000;
const std::string kHead = R"({"alg":"HS256","typ":"JWT"})";
const std::string kBody = R"({"sub":"7","exp":1700000900})";
const std::vector<std::string> kSub{"sub"};

KeySet keys_of(const std::string& text)
{
    auto result = parse_keys(text);
    BOOST_REQUIRE_MESSAGE(result.keys, result.error);
    return std::move(*result.keys);
}

Verified check(const std::string& token, const KeySet& keys, std::int64_t now = kNow)
{
    return verify(token, keys, kSub, now);
}

Verdict with_secret(const std::string& token)
{
    static const KeySet keys = keys_of(kSecret);
    return check(token, keys).verdict;
}

std::string text_of(const std::string& payload, const std::vector<std::string>& claims = kSub)
{
    static const KeySet keys = keys_of(kSecret);
    const Verified result = verify(forge::hs256(kSecret, kHead, payload), keys, claims, kNow);
    BOOST_TEST(result.verdict == Verdict::valid);
    return result.identity.text;
}

struct Row {
    const char* name;
    std::string header;
    std::string payload;
    Verdict verdict;
    friend std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }
};

// Each is signed with the right secret, so that what is refused is refused for what it says.
const std::vector<Row> kSigned{
    {"a right one", kHead, kBody, Verdict::valid},
    {"typ may be absent", R"({"alg":"HS256"})", kBody, Verdict::valid},
    {"typ at+jwt (RFC 9068)", R"({"alg":"HS256","typ":"at+JWT"})", kBody, Verdict::valid},
    {"typ dpop+jwt", R"({"alg":"HS256","typ":"dpop+jwt"})", kBody, Verdict::type},
    {"typ JWE", R"({"alg":"HS256","typ":"JWE"})", kBody, Verdict::type},
    {"typ a number", R"({"alg":"HS256","typ":1})", kBody, Verdict::type},
    {"typ with a NUL", R"({"alg":"HS256","typ":"JWT\u0000"})", kBody, Verdict::type},
    {"a token within", R"({"alg":"HS256","cty":"JWT"})", kBody, Verdict::type},
    {"none", R"({"alg":"none"})", kBody, Verdict::algorithm},
    {"None", R"({"alg":"None"})", kBody, Verdict::algorithm},
    {"hs256", R"({"alg":"hs256"})", kBody, Verdict::algorithm},
    {"HS256 and a NUL", R"({"alg":"HS256\u0000"})", kBody, Verdict::algorithm},
    {"RS512, which we do not do", R"({"alg":"RS512"})", kBody, Verdict::algorithm},
    {"alg a list", R"({"alg":["HS256"]})", kBody, Verdict::malformed},
    {"no alg", R"({"typ":"JWT"})", kBody, Verdict::malformed},
    {"alg twice", R"({"alg":"HS256","alg":"none"})", kBody, Verdict::malformed},
    {"alg twice, once escaped", R"({"alg":"HS256","\u0061lg":"none"})", kBody, Verdict::malformed},
    {"crit", R"({"alg":"HS256","crit":["exp"]})", kBody, Verdict::critical},
    {"an empty crit", R"({"alg":"HS256","crit":[]})", kBody, Verdict::critical},
    {"b64", R"({"alg":"HS256","b64":false})", kBody, Verdict::critical},
    {"kid a number", R"({"alg":"HS256","kid":1})", kBody, Verdict::malformed},
    {"a kid that is a path", R"({"alg":"HS256","kid":"../../dev/null"})", kBody, Verdict::valid},
    {"a key of its own", R"({"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}})", kBody, Verdict::valid},
    {"header no object", R"(["HS256"])", kBody, Verdict::malformed},
    {"something after the header", kHead + "x", kBody, Verdict::malformed},
    {"a NUL after the header", kHead + std::string(1, '\0'), kBody, Verdict::malformed},
    {"a header in UTF-16", std::string("{\0\"\0", 4), kBody, Verdict::malformed},
    {"an overlong UTF-8 sequence", "{\"alg\":\"HS256\",\"x\":\"\xc0\xaf\"}", kBody, Verdict::malformed},
    {"a byte order mark", "\xef\xbb\xbf" + kHead, kBody, Verdict::malformed},
    {"a header of many bytes", R"({"alg":"HS256","x":")" + std::string(2000, 'x') + "\"}", kBody,
     Verdict::malformed},
    {"deep nesting", R"({"alg":"HS256","x":)" + std::string(200, '[') + std::string(200, ']') + "}", kBody,
     Verdict::malformed},
    {"expired", kHead, R"({"sub":"7","exp":1699999999})", Verdict::expired},
    {"expired just now", kHead, R"({"sub":"7","exp":1700000000})", Verdict::expired},
    {"a second left", kHead, R"({"sub":"7","exp":1700000001})", Verdict::valid},
    {"exp with a fraction", kHead, R"({"sub":"7","exp":1700000001.9})", Verdict::valid},
    {"the fraction does not count", kHead, R"({"sub":"7","exp":1700000000.9})", Verdict::expired},
    {"no exp", kHead, R"({"sub":"7"})", Verdict::claim},
    {"exp a string", kHead, R"({"sub":"7","exp":"1700000900"})", Verdict::malformed},
    {"exp null", kHead, R"({"sub":"7","exp":null})", Verdict::malformed},
    {"exp true", kHead, R"({"sub":"7","exp":true})", Verdict::malformed},
    {"exp negative", kHead, R"({"sub":"7","exp":-1})", Verdict::malformed},
    {"exp huge", kHead, R"({"sub":"7","exp":99999999999999999999999999})", Verdict::malformed},
    {"exp 2^64 and a little", kHead, R"({"sub":"7","exp":18446745773709551616})", Verdict::malformed},
    {"exp with an exponent", kHead, R"({"sub":"7","exp":1e300})", Verdict::malformed},
    {"exp after the year 9999", kHead, R"({"sub":"7","exp":253402300800})", Verdict::malformed},
    {"exp twice", kHead, R"({"sub":"7","exp":1,"exp":1700000900})", Verdict::malformed},
    {"nbf ahead", kHead, R"({"sub":"7","exp":1700000900,"nbf":1700000006})", Verdict::not_yet},
    {"nbf within the skew", kHead, R"({"sub":"7","exp":1700000900,"nbf":1700000005})", Verdict::valid},
    {"nbf a string", kHead, R"({"sub":"7","exp":1700000900,"nbf":"0"})", Verdict::malformed},
    {"iat a list", kHead, R"({"sub":"7","exp":1700000900,"iat":[]})", Verdict::malformed},
    {"no sub", kHead, R"({"exp":1700000900})", Verdict::claim},
    {"an empty sub", kHead, R"({"sub":"","exp":1700000900})", Verdict::claim},
    {"sub a number", kHead, R"({"sub":7,"exp":1700000900})", Verdict::claim},
    {"sub a list", kHead, R"({"sub":["7"],"exp":1700000900})", Verdict::claim},
    {"sub an object", kHead, R"({"sub":{"id":"7"},"exp":1700000900})", Verdict::claim},
    {"sub null", kHead, R"({"sub":null,"exp":1700000900})", Verdict::claim},
    {"sub too long", kHead, R"({"exp":1700000900,"sub":")" + std::string(257, 'x') + "\"}", Verdict::claim},
    {"sub twice", kHead, R"({"sub":"7","sub":"8","exp":1700000900})", Verdict::malformed},
    {"sub twice, once escaped", kHead, R"({"sub":"7","s\u0075b":"8","exp":1700000900})", Verdict::malformed},
    {"half a surrogate pair", kHead, R"({"sub":"\ud800","exp":1700000900})", Verdict::malformed},
    {"iss a list", kHead, R"({"iss":["a"],"sub":"7","exp":1700000900})", Verdict::claim},
    {"aud a number", kHead, R"({"aud":1,"sub":"7","exp":1700000900})", Verdict::claim},
    {"aud with a number", kHead, R"({"aud":["a",1],"sub":"7","exp":1700000900})", Verdict::claim},
    {"aud an object", kHead, R"({"aud":{},"sub":"7","exp":1700000900})", Verdict::claim},
    {"payload a list", kHead, R"(["sub"])", Verdict::malformed},
    {"payload empty", kHead, "", Verdict::malformed},
    {"two payloads", kHead, kBody + kBody, Verdict::malformed},
};

const std::string kGood = forge::hs256(kSecret, kHead, kBody);
const std::string kText = forge::unsigned_text(kHead, kBody);

struct Forged {
    const char* name;
    std::string token;
    Verdict verdict;
    friend std::ostream& operator<<(std::ostream& out, const Forged& row) { return out << row.name; }
};

const std::vector<Forged> kForged{
    {"nothing", "", Verdict::absent},
    {"too large", std::string(8193, 'a'), Verdict::too_large},
    {"one part", "abc", Verdict::malformed},
    {"dots", "..", Verdict::malformed},
    {"no signature", kText + ".", Verdict::malformed},
    {"none without signature", forge::unsigned_text(R"({"alg":"none"})", kBody) + ".", Verdict::algorithm},
    {"four parts", kGood + ".x", Verdict::malformed},
    {"an encrypted one", "a.b.c.d.e", Verdict::malformed},
    {"two tokens", kGood + " " + kGood, Verdict::malformed},
    {"two tokens with a comma", kGood + "," + kGood, Verdict::malformed},
    {"a space before", " " + kGood, Verdict::malformed},
    {"a line end behind", kGood + "\n", Verdict::malformed},
    {"a NUL behind", kGood + std::string(1, '\0'), Verdict::malformed},
    {"padding", kGood + "=", Verdict::malformed},
    {"another secret's", forge::hs256("another secret of more than 32 bytes, which is", kHead, kBody),
     Verdict::signature},
    {"an empty secret's", forge::hs256("", kHead, kBody), Verdict::signature},
    {"the signature of another text",
     forge::unsigned_text(kHead, R"({"sub":"8","exp":1700000900})") + "." +
         forge::base64url(forge::hmac(EVP_sha256(), kSecret, kText)),
     Verdict::signature},
    {"a signature cut short", kGood.substr(0, kGood.size() - 3), Verdict::signature},
    {"a signature of the longer kind",
     kText + "." + forge::base64url(forge::hmac(EVP_sha512(), kSecret, kText)), Verdict::signature},
    {"a signature of zeros", kText + "." + forge::base64url(std::string(32, '\0')), Verdict::signature},
};

}

BOOST_AUTO_TEST_SUITE(jwt_token)

BOOST_DATA_TEST_CASE(what_a_signed_token_says_decides, boost::unit_test::data::make(kSigned))
{
    BOOST_TEST(with_secret(forge::hs256(kSecret, sample.header, sample.payload)) == sample.verdict);
}

BOOST_DATA_TEST_CASE(a_forged_token_is_refused, boost::unit_test::data::make(kForged))
{
    BOOST_TEST(with_secret(sample.token) == sample.verdict);
}

BOOST_AUTO_TEST_CASE(no_bit_of_a_token_can_be_changed)
{
    for (std::size_t i = 0; i < kGood.size(); ++i) {
        for (const char c : {'A', 'B', 'Q', '_', '.', '='}) {
            std::string token = kGood;
            if (token[i] == c) continue;
            token[i] = c;
            BOOST_TEST((with_secret(token) != Verdict::valid), "byte " << i << " as " << c);
        }
    }
}

BOOST_AUTO_TEST_CASE(every_algorithm_verifies_its_own)
{
    const auto rsa = forge::KeyPair::rsa();
    const auto ec = forge::KeyPair::ec();
    const auto ed = forge::KeyPair::ed25519();
    const KeySet all = keys_of(rsa.public_pem() + ec.public_pem() + ed.public_pem());
    struct {
        const char* name;
        const forge::KeyPair& key;
    } rows[] = {{"RS256", rsa}, {"PS256", rsa}, {"ES256", ec}, {"EdDSA", ed}};
    for (const auto& row : rows) {
        const std::string text = forge::unsigned_text(std::string{R"({"alg":")"} + row.name + "\"}", kBody);
        const std::string good = text + "." + forge::base64url(row.key.sign(row.name, text));
        const Verified result = check(good, all);
        BOOST_TEST(result.verdict == Verdict::valid, row.name);
        BOOST_TEST(result.identity.claim == "7");
        BOOST_TEST(result.identity.expires == 1700000900);
        std::string signature = row.key.sign(row.name, text);
        signature[10] = static_cast<char>(signature[10] ^ 1);
        BOOST_TEST(check(text + "." + forge::base64url(signature), all).verdict == Verdict::signature,
                   row.name);
        BOOST_TEST(check(text + "." + forge::base64url(row.key.sign(row.name, text + "x")), all).verdict ==
                   Verdict::signature);
    }
    const KeySet secret = keys_of(kSecret);
    for (const auto& [name, digest] :
         {std::pair{"HS384", EVP_sha384()}, {"HS512", EVP_sha512()}, {"HS256", EVP_sha256()}}) {
        const std::string text = forge::unsigned_text(std::string{R"({"alg":")"} + name + "\"}", kBody);
        BOOST_TEST(check(text + "." + forge::base64url(forge::hmac(digest, kSecret, text)), secret).verdict ==
                       Verdict::valid,
                   name);
    }
}

BOOST_AUTO_TEST_CASE(a_public_key_is_no_secret)
{
    const auto rsa = forge::KeyPair::rsa();
    const std::string pem = rsa.public_pem();
    const KeySet keys = keys_of(pem);
    for (const std::string& used : {pem, pem.substr(0, pem.size() - 1), rsa.number("n")}) {
        BOOST_TEST(check(forge::hs256(used, kHead, kBody), keys).verdict == Verdict::key);
    }
    const KeySet secret = keys_of(kSecret);
    const std::string text = forge::unsigned_text(R"({"alg":"RS256"})", kBody);
    BOOST_TEST(check(text + "." + forge::base64url(rsa.sign("RS256", text)), secret).verdict == Verdict::key);
}

BOOST_AUTO_TEST_CASE(one_kind_of_signature_is_not_taken_for_another)
{
    const auto rsa = forge::KeyPair::rsa();
    const KeySet keys = keys_of(rsa.public_pem());
    const std::string text = forge::unsigned_text(R"({"alg":"PS256"})", kBody);
    BOOST_TEST(check(text + "." + forge::base64url(rsa.sign("RS256", text)), keys).verdict ==
               Verdict::signature);
    const auto ec = forge::KeyPair::ec();
    const KeySet p256 = keys_of(ec.public_pem());
    const std::string es = forge::unsigned_text(R"({"alg":"ES256"})", kBody);
    // r = s = 0, CVE-2022-21449
    BOOST_TEST(check(es + "." + forge::base64url(std::string(64, '\0')), p256).verdict == Verdict::signature);
    BOOST_TEST(check(es + "." + forge::base64url(ec.sign("ES256", es) + "x"), p256).verdict ==
               Verdict::signature);
}

BOOST_AUTO_TEST_CASE(kid_chooses_among_keys_and_alg_of_a_key_binds)
{
    const auto one = forge::KeyPair::rsa();
    const auto two = forge::KeyPair::rsa();
    const auto jwk = [](const forge::KeyPair& key, const std::string& more) {
        return R"({"kty":"RSA","n":")" + key.number("n") + R"(","e":")" + key.number("e") + "\"" + more + "}";
    };
    const KeySet keys =
        keys_of(R"({"keys":[)" + jwk(one, R"(,"kid":"one","alg":"RS256","use":"sig")") + "," +
                jwk(two, R"(,"kid":"two")") + R"(,{"kty":"oct","kid":"enc","use":"enc","k":"AA"},)" +
                R"({"kty":"EC","crv":"P-521","x":"AA","y":"AA"}]})");
    BOOST_TEST(keys.keys.size() == 2U);
    const auto token = [](const forge::KeyPair& key, const std::string& alg, const std::string& kid) {
        const std::string text = forge::unsigned_text(
            R"({"alg":")" + alg + "\"" + (kid.empty() ? "" : R"(,"kid":")" + kid + "\"") + "}", kBody);
        return text + "." + forge::base64url(key.sign(alg, text));
    };
    BOOST_TEST(check(token(one, "RS256", "one"), keys).verdict == Verdict::valid);
    BOOST_TEST(check(token(two, "PS256", "two"), keys).verdict == Verdict::valid);
    BOOST_TEST(check(token(two, "RS256", ""), keys).verdict == Verdict::valid);
    BOOST_TEST(check(token(two, "RS256", "one"), keys).verdict == Verdict::signature);
    BOOST_TEST(check(token(one, "PS256", "one"), keys).verdict == Verdict::key);
    BOOST_TEST(check(token(one, "RS256", "three"), keys).verdict == Verdict::key);
}

BOOST_AUTO_TEST_CASE(keys_of_all_kinds_come_as_jwk)
{
    const auto ec = forge::KeyPair::ec();
    const auto ed = forge::KeyPair::ed25519();
    const KeySet keys =
        keys_of(R"({"keys":[{"kty":"EC","crv":"P-256","x":")" + ec.number("qx", 32) + R"(","y":")" +
                ec.number("qy", 32) + R"("},{"kty":"OKP","crv":"Ed25519","x":")" + ed.raw() +
                R"("},{"kty":"oct","k":")" + forge::base64url(kSecret) + R"("}]})");
    const std::string es = forge::unsigned_text(R"({"alg":"ES256"})", kBody);
    BOOST_TEST(check(es + "." + forge::base64url(ec.sign("ES256", es)), keys).verdict == Verdict::valid);
    const std::string eddsa = forge::unsigned_text(R"({"alg":"EdDSA"})", kBody);
    BOOST_TEST(check(eddsa + "." + forge::base64url(ed.sign("EdDSA", eddsa)), keys).verdict ==
               Verdict::valid);
    BOOST_TEST(check(kGood, keys).verdict == Verdict::valid);
}

BOOST_AUTO_TEST_CASE(a_key_file_that_is_not_right_is_refused_whole)
{
    const auto rsa = forge::KeyPair::rsa();
    const std::string n = rsa.number("n");
    const std::string pem = rsa.public_pem();
    const std::string zeros(43, 'A');
    const std::vector<std::string> all{
        std::string{},
        std::string{"short secret"},
        std::string{"{}"},
        std::string{"{\"keys\":[]}"},
        std::string{"{\"keys\":{}}"},
        std::string{"{ this is a secret that begins with a brace"},
        rsa.private_pem(),
        pem + rsa.private_pem(),
        pem.substr(0, pem.size() / 2),
        pem + "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "a secret which is long enough, and behind it a key\n" + pem.substr(0, 60),
        forge::KeyPair::rsa(1024).public_pem(),
        forge::KeyPair::ec("P-384").public_pem(),
        R"({"kty":"RSA","e":"AQAB","n":")" + n + R"(","d":"AQAB"})",
        R"({"kty":"RSA","e":"AQ","n":")" + n + R"("})",
        R"({"kty":"RSA","e":"AQAB","n":""})",
        R"({"kty":"RSA","e":"AQAB","n":")" + n + R"(","alg":"HS256"})",
        R"({"kty":"oct","k":"c2hvcnQ"})",
        R"({"kty":"EC","crv":"P-256","x":")" + zeros + R"(","y":")" + zeros + R"("})",
        R"({"kty":"RSA","kid":1,"e":"AQAB","n":")" + n + R"("})"};
    for (const std::string& text : all) {
        BOOST_TEST(!parse_keys(text).keys, text);
    }
}

BOOST_AUTO_TEST_CASE(a_line_end_behind_a_secret_is_not_part_of_it)
{
    BOOST_TEST(check(kGood, keys_of(kSecret + "\n")).verdict == Verdict::valid);
    BOOST_TEST(check(kGood, keys_of(kSecret + "\r\n")).verdict == Verdict::valid);
    BOOST_TEST(check(kGood, keys_of(kSecret + " ")).verdict == Verdict::signature);
}

BOOST_AUTO_TEST_CASE(no_two_identities_share_a_text)
{
    const std::string exp = R"("exp":1700000900)";
    const std::vector<std::string> all{
        text_of(R"({"sub":"7",)" + exp + "}"),
        text_of(R"({"sub":"71",)" + exp + "}"),
        text_of(R"({"iss":"","sub":"7",)" + exp + "}"),
        text_of(R"({"iss":"a","sub":"7",)" + exp + "}"),
        text_of(R"({"iss":"a1:7","sub":"7",)" + exp + "}"),
        text_of(R"({"aud":"a","sub":"7",)" + exp + "}"),
        text_of(R"({"aud":[],"sub":"7",)" + exp + "}"),
        text_of(R"({"aud":["a","b"],"sub":"7",)" + exp + "}"),
        text_of(R"({"aud":["a1:b"],"sub":"7",)" + exp + "}"),
        text_of(R"({"aud":["ab"],"sub":"7",)" + exp + "}"),
        text_of(R"({"sub":"7\u0000",)" + exp + "}"),
        text_of(R"({"sub":"-1 1:a3:sub1:7",)" + exp + "}"),
        text_of(R"({"sub":"7","org":"1",)" + exp + "}", {"sub", "org"}),
        text_of(R"({"sub":"7","org":"2",)" + exp + "}", {"sub", "org"}),
        text_of(R"({"sub":"1","nick":"7",)" + exp + "}", {"nick"}),
    };
    for (std::size_t i = 0; i < all.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) BOOST_TEST(all[i] != all[j], i << " and " << j);
    }
    BOOST_TEST(text_of(R"({"jti":"1","sub":"7",)" + exp + "}") == all[0], "a new token of the same user");
    BOOST_TEST(text_of(R"({"aud":["a"],"sub":"7",)" + exp + "}") == all[5], "one audience as a list");
}

BOOST_AUTO_TEST_CASE(only_bearer_credentials_are_a_token)
{
    BOOST_TEST(bearer("Bearer abc") == "abc");
    BOOST_TEST(bearer("bearer   abc") == "abc");
    BOOST_TEST(bearer("Bearer") == "");
    BOOST_TEST(bearer("Bearer ") == "");
    BOOST_TEST(bearer("Basic abc") == "");
    BOOST_TEST(bearer("Bearerabc") == "");
    BOOST_TEST(bearer("") == "");
}

BOOST_AUTO_TEST_CASE(a_token_is_remembered_until_it_expires_and_for_its_keys_only)
{
    Remembered known;
    const Tag hash = known.tag_of(kGood);
    BOOST_TEST((known.find(hash, 1, kNow) == nullptr));
    known.keep(hash, 1, {.text = "t", .claim = "7", .expires = kNow + 10});
    BOOST_REQUIRE((known.find(hash, 1, kNow) != nullptr));
    BOOST_TEST(known.find(hash, 1, kNow)->claim == "7");
    BOOST_TEST((known.find(hash, 1, kNow + 10) == nullptr));
    BOOST_TEST((known.find(hash, 2, kNow) == nullptr));
    BOOST_TEST((known.find(known.tag_of(kGood + "x"), 1, kNow) == nullptr));
    // Each location that asks has its own, side by side: rule 2 of a first set of keys.
    constexpr std::uint64_t kOther = std::uint64_t{2} << 32 | 1;
    known.keep(hash, kOther, {.text = "u", .claim = "7", .expires = kNow + 10});
    BOOST_REQUIRE((known.find(hash, 1, kNow) != nullptr));
    BOOST_TEST(known.find(hash, 1, kNow)->text == "t");
    BOOST_REQUIRE((known.find(hash, kOther, kNow) != nullptr));
    BOOST_TEST(known.find(hash, kOther, kNow)->text == "u");
    // What the app refuses is refused for a while, wherever it was good before.
    BOOST_TEST(!known.is_refused(hash, kNow));
    known.refuse(hash, kNow + 5);
    BOOST_TEST(known.is_refused(hash, kNow + 4));
    BOOST_TEST(!known.is_refused(hash, kNow + 5));
    BOOST_TEST(!known.is_refused(known.tag_of(kGood + "x"), kNow));
    BOOST_TEST(to_hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

BOOST_AUTO_TEST_SUITE_END()
