#pragma once

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

/// Makes keys and tokens, right ones and forged ones, with OpenSSL.
namespace forge {

inline std::string base64url(std::string_view bytes)
{
    constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string out;
    unsigned bits = 0;
    unsigned count = 0;
    for (const char c : bytes) {
        bits = (bits << 8 | static_cast<unsigned char>(c)) & 0xffff;
        for (count += 8; count >= 6; count -= 6) out += kDigits[bits >> (count - 6) & 63];
    }
    if (count != 0) out += kDigits[bits << (6 - count) & 63];
    return out;
}

inline const unsigned char* bytes(std::string_view text)
{
    return reinterpret_cast<const unsigned char*>(text.data());
}

inline std::string hmac(const EVP_MD* digest, std::string_view key, std::string_view text)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    HMAC(digest, key.data(), static_cast<int>(key.size()), bytes(text), text.size(), mac, &length);
    return {reinterpret_cast<char*>(mac), length};
}

class KeyPair {
public:
    static KeyPair rsa(unsigned bits = 2048)
    {
        return KeyPair{EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{bits})};
    }
    static KeyPair ec(const char* curve = "P-256")
    {
        return KeyPair{EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve)};
    }
    static KeyPair ed25519() { return KeyPair{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")}; }

    std::string public_pem() const
    {
        return pem([&](BIO* bio) { return PEM_write_bio_PUBKEY(bio, pkey_.get()); });
    }
    std::string private_pem() const
    {
        return pem([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, pkey_.get(), nullptr, nullptr, 0, nullptr, nullptr);
        });
    }
    /// A number of the public key, as a JWK has it.
    std::string number(const char* name, int size = 0) const
    {
        BIGNUM* n = nullptr;
        if (EVP_PKEY_get_bn_param(pkey_.get(), name, &n) != 1) throw std::runtime_error{name};
        std::string out(static_cast<std::size_t>(size != 0 ? size : BN_num_bytes(n)), '\0');
        BN_bn2binpad(n, reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(out.size()));
        BN_free(n);
        return base64url(out);
    }
    std::string raw() const
    {
        std::string out(32, '\0');
        std::size_t size = out.size();
        EVP_PKEY_get_raw_public_key(pkey_.get(), reinterpret_cast<unsigned char*>(out.data()), &size);
        return base64url(out);
    }
    /// RS256, PS256, ES256 or EdDSA.
    std::string sign(std::string_view algorithm, std::string_view text) const
    {
        const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                              &EVP_MD_CTX_free};
        EVP_PKEY_CTX* parameters = nullptr;
        EVP_DigestSignInit(context.get(), &parameters, algorithm == "EdDSA" ? nullptr : EVP_sha256(), nullptr,
                           pkey_.get());
        if (algorithm == "PS256") {
            EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING);
            EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST);
        }
        std::size_t size = 0;
        EVP_DigestSign(context.get(), nullptr, &size, bytes(text), text.size());
        std::string out(size, '\0');
        EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, bytes(text),
                       text.size());
        out.resize(size);
        return algorithm == "ES256" ? flat(out) : out;
    }

private:
    explicit KeyPair(EVP_PKEY* pkey) : pkey_{pkey, &EVP_PKEY_free}
    {
        if (pkey == nullptr) throw std::runtime_error{"no key"};
    }
    template <class Write>
    static std::string pem(Write&& write)
    {
        BIO* bio = BIO_new(BIO_s_mem());
        write(bio);
        char* data = nullptr;
        const long size = BIO_get_mem_data(bio, &data);
        std::string out(data, static_cast<std::size_t>(size));
        BIO_free(bio);
        return out;
    }
    static std::string flat(const std::string& der)
    {
        const unsigned char* at = bytes(der);
        ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
        std::string out(64, '\0');
        auto* to = reinterpret_cast<unsigned char*>(out.data());
        BN_bn2binpad(ECDSA_SIG_get0_r(signature), to, 32);
        BN_bn2binpad(ECDSA_SIG_get0_s(signature), to + 32, 32);
        ECDSA_SIG_free(signature);
        return out;
    }
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> pkey_;
};

inline std::string unsigned_text(std::string_view header, std::string_view payload)
{
    return base64url(header) + "." + base64url(payload);
}

inline std::string hs256(std::string_view key, std::string_view header, std::string_view payload)
{
    const std::string text = unsigned_text(header, payload);
    return text + "." + base64url(hmac(EVP_sha256(), key, text));
}

}
