#include "jwt/keys.hpp"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <utility>

#include "http/json.hpp"
#include "jwt/base64url.hpp"

namespace edge::jwt {

struct Key::Public {
    enum class Kind : std::uint8_t { rsa, p256, ed25519 };
    Kind kind;
    EVP_PKEY* pkey;

    Public(Kind k, EVP_PKEY* p) noexcept : kind{k}, pkey{p} {}
    Public(const Public&) = delete;
    Public& operator=(const Public&) = delete;
    ~Public() { EVP_PKEY_free(pkey); }
};

namespace {

using http::JsonValue;
using Kind = Key::Public::Kind;

constexpr int kSmallestRsa = 2048;  // bits, RFC 7518 section 3.3
constexpr int kLargestRsa = 8192;

template <auto Free>
struct Deleter {
    template <class T>
    void operator()(T* p) const noexcept
    {
        Free(p);
    }
};
using Bio = std::unique_ptr<BIO, Deleter<BIO_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using PKey = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using PKeyContext = std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Deleter<BN_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Deleter<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Deleter<OSSL_PARAM_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG_free>>;

/// What OpenSSL notes of a failure is nobody else's: nginx would log it with the next one of its own.
struct ErrorMark {
    ErrorMark() noexcept { ERR_set_mark(); }
    ~ErrorMark() { ERR_pop_to_mark(); }
    ErrorMark(const ErrorMark&) = delete;
    ErrorMark& operator=(const ErrorMark&) = delete;
};

/// Thrown inside this file only.
struct Broken {
    std::string reason;
};

[[noreturn]] void broken(std::string reason)
{
    throw Broken{std::move(reason)};
}

const unsigned char* bytes(std::string_view text) noexcept
{
    return reinterpret_cast<const unsigned char*>(text.data());
}

const EVP_MD* digest_of(Algorithm algorithm) noexcept
{
    if (algorithm == Algorithm::hs384) return EVP_sha384();
    return algorithm == Algorithm::hs512 ? EVP_sha512() : EVP_sha256();
}

bool is_hmac(Algorithm algorithm) noexcept
{
    return algorithm <= Algorithm::hs512;
}

Key of_pkey(PKey pkey, const std::string& where)
{
    const int type = EVP_PKEY_get_base_id(pkey.get());
    const int bits = EVP_PKEY_get_bits(pkey.get());
    if (type == EVP_PKEY_RSA) {
        if (bits < kSmallestRsa || bits > kLargestRsa)
            broken(where + " is an RSA key of " + std::to_string(bits) + " bits, expected 2048 to 8192");
        return Key{std::make_shared<Key::Public>(Kind::rsa, pkey.release())};
    }
    if (type == EVP_PKEY_ED25519) return Key{std::make_shared<Key::Public>(Kind::ed25519, pkey.release())};
    if (type == EVP_PKEY_EC) {
        std::array<char, 64> group{};
        std::size_t length = 0;
        if (EVP_PKEY_get_group_name(pkey.get(), group.data(), group.size(), &length) != 1 ||
            std::string_view{group.data()} != "prime256v1") {
            broken(where + " is a key on another curve than P-256");
        }
        const PKeyContext context{EVP_PKEY_CTX_new(pkey.get(), nullptr)};
        if (!context || EVP_PKEY_public_check(context.get()) != 1)
            broken(where + " is no point of its curve");
        return Key{std::make_shared<Key::Public>(Kind::p256, pkey.release())};
    }
    broken(where + " is a key of another kind than RSA, P-256 and Ed25519");
}

PKey from_params(const char* type, OSSL_PARAM_BLD* builder, const std::string& where)
{
    const Params params{OSSL_PARAM_BLD_to_param(builder)};
    const PKeyContext context{EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr)};
    EVP_PKEY* pkey = nullptr;
    if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &pkey, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
        broken(where + " is not a usable key");
    }
    return PKey{pkey};
}

std::string member(const JsonValue& jwk, std::string_view name, const std::string& where)
{
    const auto text = jwk.string(name);
    auto value = text ? decode_base64url(*text) : std::nullopt;
    if (!value || value->empty()) broken(where + " has no usable member " + std::string{name});
    return std::move(*value);
}

Key rsa(const JsonValue& jwk, const std::string& where)
{
    const std::string n = member(jwk, "n", where);
    const std::string e = member(jwk, "e", where);
    if (n.size() > kLargestRsa / 8 || e.size() > 8) broken(where + " is not a usable key");
    const Number modulus{BN_bin2bn(bytes(n), static_cast<int>(n.size()), nullptr)};
    const Number exponent{BN_bin2bn(bytes(e), static_cast<int>(e.size()), nullptr)};
    if (!modulus || !exponent) throw std::bad_alloc{};
    if (!BN_is_odd(exponent.get()) || BN_is_one(exponent.get()) || !BN_is_odd(modulus.get()))
        broken(where + " is not a usable key");
    const Builder builder{OSSL_PARAM_BLD_new()};
    if (!builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1) {
        throw std::bad_alloc{};
    }
    return of_pkey(from_params("RSA", builder.get(), where), where);
}

Key p256(const JsonValue& jwk, const std::string& where)
{
    const std::string x = member(jwk, "x", where);
    const std::string y = member(jwk, "y", where);
    if (x.size() != 32 || y.size() != 32) broken(where + " has coordinates that are not of 32 bytes");
    const std::string point = '\4' + x + y;
    const Builder builder{OSSL_PARAM_BLD_new()};
    if (!builder ||
        OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                         point.size()) != 1) {
        throw std::bad_alloc{};
    }
    return of_pkey(from_params("EC", builder.get(), where), where);
}

Key ed25519(const JsonValue& jwk, const std::string& where)
{
    const std::string x = member(jwk, "x", where);
    PKey pkey{EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes(x), x.size())};
    if (x.size() != 32 || !pkey) broken(where + " is not a usable key");
    return of_pkey(std::move(pkey), where);
}

Key secret(std::string text, const std::string& where)
{
    if (text.size() < kShortestSecret)
        broken(where + " is a secret of " + std::to_string(text.size()) + " bytes, at least 32 are needed");
    return Key{std::move(text)};
}

/// Meant for something else than verifying signatures (RFC 7517 sections 4.2 and 4.3).
bool is_for_other_use(const JsonValue& jwk)
{
    if (jwk.find("use") != nullptr && jwk.string("use") != "sig") return true;
    const JsonValue* operations = jwk.find("key_ops");
    if (operations == nullptr) return false;
    if (!operations->is(JsonValue::Kind::array)) return true;
    return std::none_of(operations->items.begin(), operations->items.end(),
                        [](const JsonValue& one) { return one.text == "verify"; });
}

void add_jwk(KeySet& set, const JsonValue& jwk)
{
    const std::string where = "key " + std::to_string(set.keys.size() + 1);
    const auto kty = jwk.string("kty");
    if (!kty) broken(where + " has no kty");
    if (is_for_other_use(jwk)) return;
    const bool asymmetric = *kty != "oct";
    if (asymmetric && jwk.find("d") != nullptr) broken(where + " is a private key, which has no place here");
    std::optional<Algorithm> only;
    if (jwk.find("alg") != nullptr) {
        const auto name = jwk.string("alg");
        only = name ? algorithm_of(*name) : std::nullopt;
        if (!only) return;
    }
    const auto curve = jwk.string("crv");
    std::optional<Key> key;
    if (*kty == "oct") key = secret(member(jwk, "k", where), where);
    if (*kty == "RSA") key = rsa(jwk, where);
    if (*kty == "EC" && curve == "P-256") key = p256(jwk, where);
    if (*kty == "OKP" && curve == "Ed25519") key = ed25519(jwk, where);
    if (!key) return;
    key->only = only;
    if (only && !key->fits(*only)) broken(where + " has an alg that its kty does not allow");
    if (jwk.find("kid") != nullptr) {
        const auto id = jwk.string("kid");
        if (!id || id->empty()) broken(where + " has a kid that is not a string");
        key->id = *id;
    }
    if (set.keys.size() == kMaxKeys) broken("it has more than 32 keys");
    set.keys.push_back(std::move(*key));
}

KeySet from_json(std::string_view text)
{
    const auto whole = http::parse_json(text);
    if (!whole || !whole->is(JsonValue::Kind::object))
        broken("it begins with { and is not a JWK set in JSON");
    KeySet set;
    const JsonValue* keys = whole->find("keys");
    if (keys == nullptr) {
        add_jwk(set, *whole);
    } else {
        if (!keys->is(JsonValue::Kind::array)) broken("its member keys is not a list");
        for (const JsonValue& jwk : keys->items) {
            if (!jwk.is(JsonValue::Kind::object)) broken("a member of keys is not an object");
            add_jwk(set, jwk);
        }
    }
    return set;
}

KeySet from_pem(std::string_view text)
{
    const Bio bio{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
    if (!bio) throw std::bad_alloc{};
    KeySet set;
    for (;;) {
        char* name = nullptr;
        char* header = nullptr;
        unsigned char* data = nullptr;
        long length = 0;
        if (PEM_read_bio(bio.get(), &name, &header, &data, &length) != 1) break;
        const std::string kind{name};
        const std::string where = "key " + std::to_string(set.keys.size() + 1);
        const unsigned char* at = data;
        PKey pkey;
        if (kind == "PUBLIC KEY") {
            pkey.reset(d2i_PUBKEY(nullptr, &at, length));
        } else if (kind == "CERTIFICATE") {
            const Certificate certificate{d2i_X509(nullptr, &at, length)};
            if (certificate) pkey.reset(X509_get_pubkey(certificate.get()));
        }
        const bool whole = at == data + length;
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(data, static_cast<std::size_t>(length));
        if (kind != "PUBLIC KEY" && kind != "CERTIFICATE")
            broken("it has a PEM block " + kind + ", expected PUBLIC KEY or CERTIFICATE");
        if (!pkey || !whole) broken(where + " is not a usable key");
        if (set.keys.size() == kMaxKeys) broken("it has more than 32 keys");
        set.keys.push_back(of_pkey(std::move(pkey), where));
    }
    std::size_t begun = 0;
    constexpr std::string_view kBegin = "-----BEGIN";
    for (std::size_t i = text.find(kBegin); i != text.npos; i = text.find(kBegin, i + 1)) ++begun;
    if (begun != set.keys.size()) broken("a PEM block in it is damaged");
    return set;
}

KeySet from_secret(std::string_view text)
{
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    KeySet set;
    set.keys.push_back(secret(std::string{text}, "it"));
    return set;
}

/// r and s of 32 bytes each (RFC 7518 section 3.4), as OpenSSL wants them.
std::string der_signature(std::string_view raw)
{
    if (raw.size() != 64) return {};
    Number r{BN_bin2bn(bytes(raw), 32, nullptr)};
    Number s{BN_bin2bn(bytes(raw) + 32, 32, nullptr)};
    const Signature signature{ECDSA_SIG_new()};
    if (!r || !s || !signature || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) return {};
    static_cast<void>(r.release());
    static_cast<void>(s.release());
    unsigned char* out = nullptr;
    const int length = i2d_ECDSA_SIG(signature.get(), &out);
    if (length <= 0) return {};
    std::string der{reinterpret_cast<char*>(out), static_cast<std::size_t>(length)};
    OPENSSL_free(out);
    return der;
}

bool verifies_hmac(Algorithm algorithm, const std::string& key, std::string_view text,
                   std::string_view signature) noexcept
{
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
    unsigned length = 0;
    if (HMAC(digest_of(algorithm), key.data(), static_cast<int>(key.size()), bytes(text), text.size(),
             mac.data(), &length) == nullptr) {
        return false;
    }
    return signature.size() == length && CRYPTO_memcmp(mac.data(), signature.data(), length) == 0;
}

bool verifies_public(Algorithm algorithm, EVP_PKEY* pkey, std::string_view text, std::string_view signature)
{
    const DigestContext context{EVP_MD_CTX_new()};
    EVP_PKEY_CTX* parameters = nullptr;
    const EVP_MD* digest = algorithm == Algorithm::eddsa ? nullptr : EVP_sha256();
    if (!context || EVP_DigestVerifyInit(context.get(), &parameters, digest, nullptr, pkey) != 1)
        return false;
    if (algorithm == Algorithm::ps256 &&
        (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) != 1)) {
        return false;
    }
    return EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(text), text.size()) == 1;
}

}

std::optional<Algorithm> algorithm_of(std::string_view name) noexcept
{
    constexpr std::array<std::pair<std::string_view, Algorithm>, 7> kNames{{{"HS256", Algorithm::hs256},
                                                                            {"HS384", Algorithm::hs384},
                                                                            {"HS512", Algorithm::hs512},
                                                                            {"RS256", Algorithm::rs256},
                                                                            {"PS256", Algorithm::ps256},
                                                                            {"ES256", Algorithm::es256},
                                                                            {"EdDSA", Algorithm::eddsa}}};
    for (const auto& [text, algorithm] : kNames) {
        if (text == name) return algorithm;
    }
    return std::nullopt;
}

Key::Key(std::string secret) noexcept : secret_{std::move(secret)} {}
Key::Key(std::shared_ptr<Public> key) noexcept : public_{std::move(key)} {}

bool Key::fits(Algorithm algorithm) const noexcept
{
    if (only && *only != algorithm) return false;
    if (!public_) return is_hmac(algorithm);
    switch (public_->kind) {
        case Kind::rsa:
            return algorithm == Algorithm::rs256 || algorithm == Algorithm::ps256;
        case Kind::p256:
            return algorithm == Algorithm::es256;
        case Kind::ed25519:
            return algorithm == Algorithm::eddsa;
    }
    return false;
}

bool Key::verifies(Algorithm algorithm, std::string_view text, std::string_view signature) const noexcept
{
    if (!fits(algorithm)) return false;
    const ErrorMark mark;
    try {
        if (!public_) return verifies_hmac(algorithm, secret_, text, signature);
        if (algorithm != Algorithm::es256) return verifies_public(algorithm, public_->pkey, text, signature);
        const std::string der = der_signature(signature);
        return !der.empty() && verifies_public(algorithm, public_->pkey, text, der);
    } catch (...) {
        return false;  // no memory: not verified
    }
}

KeysResult parse_keys(std::string_view text)
{
    const ErrorMark mark;
    try {
        if (text.size() > kMaxKeyFile) broken("it has more than 256 KB");
        const std::size_t first = text.find_first_not_of(" \t\r\n");
        KeySet set;
        if (text.find("-----BEGIN") != text.npos) {
            set = from_pem(text);
        } else if (first != text.npos && text[first] == '{') {
            set = from_json(text);
        } else {
            set = from_secret(text);
        }
        if (set.keys.empty()) broken("it has no key for one of our algorithms");
        return {.keys = std::move(set), .error = {}};
    } catch (Broken& error) {
        return {.keys = std::nullopt, .error = std::move(error.reason)};
    }
}

}
