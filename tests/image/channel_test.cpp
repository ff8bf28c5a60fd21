#include "image/channel.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <string_view>

#include "image/messages.hpp"

namespace edge::image {

namespace {

Descriptor sealed(std::string_view text)
{
    return make_sealed("test", std::as_bytes(std::span{text}));
}

struct Pair {
    SocketPair sockets = make_socket_pair().value();
    int worker() const { return sockets.worker.get(); }
    int supervisor() const { return sockets.supervisor.get(); }
};

int open_descriptors()
{
    int n = 0;
    for (int fd = 0; fd < 200; ++fd) n += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    return n;
}

}

BOOST_AUTO_TEST_SUITE(image_channel)

BOOST_FIXTURE_TEST_CASE(messages_arrive_whole_in_order_and_with_their_descriptors, Pair)
{
    const Descriptor file = sealed("the bytes of a source");
    for (const Message& message : test::messages())
        BOOST_TEST((send(worker(), message, has_descriptor(message) ? file.get() : -1) == Sent::yes));
    for (const Message& message : test::messages()) {
        const Received received = receive(supervisor());
        BOOST_REQUIRE((received.kind == Received::Kind::message));
        BOOST_TEST(test::same_bytes(received.message, message));
        BOOST_TEST(static_cast<bool>(received.attached) == has_descriptor(message));
        if (!received.attached) continue;
        const auto bytes = SealedBytes::map(received.attached.get());
        BOOST_REQUIRE(bytes.has_value());
        BOOST_TEST(std::memcmp(bytes->bytes().data(), "the bytes of a source", 21) == 0);
    }
    BOOST_TEST((receive(supervisor()).kind == Received::Kind::nothing));
    sockets.worker.reset();
    BOOST_TEST((receive(supervisor()).kind == Received::Kind::end));
}

BOOST_FIXTURE_TEST_CASE(a_missing_or_surplus_descriptor_is_malformed_and_none_stays_open, Pair)
{
    const Descriptor file = sealed("x");
    const int before = open_descriptors();
    BOOST_TEST((send(worker(), test::messages()[1]) == Sent::yes));
    BOOST_TEST((receive(supervisor()).kind == Received::Kind::malformed));
    BOOST_TEST((send(worker(), Cancel{.id = 1}, file.get()) == Sent::yes));
    BOOST_TEST((receive(supervisor()).kind == Received::Kind::malformed));
    BOOST_TEST(::send(worker(), "no message", 10, 0) == 10);
    BOOST_TEST((receive(supervisor()).kind == Received::Kind::malformed));
    char long_one[2000]{};
    BOOST_TEST(::send(worker(), long_one, sizeof long_one, 0) == 2000);
    BOOST_TEST((receive(supervisor()).kind == Received::Kind::malformed));
    BOOST_TEST(open_descriptors() == before);
}

BOOST_FIXTURE_TEST_CASE(a_full_socket_and_a_peer_that_has_gone_are_told_apart, Pair)
{
    int sent = 0;
    while (send(worker(), Cancel{.id = 1}) == Sent::yes && sent < 100000) ++sent;
    BOOST_TEST(sent > 5);
    BOOST_TEST((send(worker(), Cancel{.id = 1}) == Sent::full));
    sockets.supervisor.reset();
    BOOST_TEST((send(worker(), Cancel{.id = 1}) == Sent::broken));
}

BOOST_AUTO_TEST_CASE(only_a_memfd_with_all_seals_is_read)
{
    const Descriptor good = sealed("abc");
    BOOST_TEST(is_sealed(good.get()));
    BOOST_TEST(sealed_size(good.get()).value() == 3U);
    BOOST_TEST(::write(good.get(), "d", 1) == -1);
    BOOST_TEST(::ftruncate(good.get(), 1) == -1);
    BOOST_TEST(::fcntl(good.get(), F_ADD_SEALS, F_SEAL_WRITE) == -1);

    const Descriptor open_one = create_memfd("test");
    BOOST_TEST(::write(open_one.get(), "abc", 3) == 3);
    BOOST_TEST(!SealedBytes::map(open_one.get()).has_value());
    BOOST_TEST(::fcntl(open_one.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    BOOST_TEST(!sealed_size(open_one.get()).has_value());

    const Descriptor device{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    BOOST_TEST(!sealed_size(device.get()).has_value());
    BOOST_TEST(!sealed_size(-1).has_value());

    const Descriptor empty = sealed("");
    BOOST_REQUIRE(SealedBytes::map(empty.get()).has_value());
    BOOST_TEST(SealedBytes::map(empty.get())->bytes().empty());
}

BOOST_AUTO_TEST_CASE(nothing_is_sealed_under_a_writable_mapping)
{
    const Descriptor file = create_memfd("test");
    BOOST_TEST(::ftruncate(file.get(), 4096) == 0);
    void* at = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    BOOST_REQUIRE(at != MAP_FAILED);
    BOOST_TEST(!seal(file.get()));
    ::munmap(at, 4096);
    BOOST_TEST(seal(file.get()));
}

BOOST_AUTO_TEST_CASE(what_is_settled_can_be_read_and_only_an_old_mapping_writes_it)
{
    const Descriptor file = create_memfd("test");
    BOOST_TEST(::write(file.get(), "abc", 3) == 3);
    BOOST_TEST(!is_settled(file.get()));
    void* at = ::mmap(nullptr, 3, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    BOOST_REQUIRE(at != MAP_FAILED);
    BOOST_TEST(settle(file.get()));
    BOOST_TEST(is_settled(file.get()));
    BOOST_TEST(!is_sealed(file.get()));
    BOOST_TEST(::pwrite(file.get(), "d", 1, 0) == -1);
    BOOST_TEST(::ftruncate(file.get(), 1) == -1);
    BOOST_TEST(::mmap(nullptr, 3, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0) == MAP_FAILED);
    const auto bytes = SealedBytes::map(file.get());
    BOOST_REQUIRE(bytes.has_value());
    BOOST_TEST(bytes->bytes().size() == 3U);

    BOOST_TEST(!seal(file.get()));
    BOOST_TEST(!sealed_size(file.get()).has_value());
    ::munmap(at, 3);
    BOOST_TEST(seal(file.get()));
    BOOST_TEST(sealed_size(file.get()).value() == 3U);
}

BOOST_AUTO_TEST_SUITE_END()

}
