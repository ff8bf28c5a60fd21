#include "status/memory_use.hpp"

#include <boost/test/unit_test.hpp>

using namespace edge::status;

BOOST_AUTO_TEST_SUITE(memory_use)

BOOST_AUTO_TEST_CASE(the_group_is_that_of_version_2)
{
    BOOST_TEST(cgroup_path("0::/\n").value() == "/");
    BOOST_TEST(cgroup_path("12:memory:/old\n0::/system.slice/nginx.service\n").value() ==
               "/system.slice/nginx.service");
    for (const char* text : {"", "0::", "12:memory:/old\n", "0::/../outside\n", "0::relative\n"})
        BOOST_TEST(!cgroup_path(text));
}

BOOST_AUTO_TEST_CASE(a_group_without_a_limit_says_nothing)
{
    const auto use = cgroup_memory("1048576\n", "4194304\n");
    BOOST_REQUIRE(use);
    BOOST_TEST(use->used == 1048576U);
    BOOST_TEST(use->limit == 4194304U);
    BOOST_TEST(!cgroup_memory("1048576\n", "max\n"));
    BOOST_TEST(!cgroup_memory("", "4194304\n"));
    BOOST_TEST(!cgroup_memory("1\n", "0\n"));
    BOOST_TEST(!cgroup_memory("-1\n", "5\n"));
    BOOST_TEST(!cgroup_memory("1x\n", "5\n"));
}

BOOST_AUTO_TEST_CASE(a_machine_uses_what_is_not_available)
{
    const auto use = machine_memory("MemTotal:       1000 kB\nMemFree:  100 kB\nMemAvailable:    400 kB\n");
    BOOST_REQUIRE(use);
    BOOST_TEST(use->used == 600U * 1024);
    BOOST_TEST(use->limit == 1000U * 1024);
    for (const char* text : {"", "MemTotal: 1000 kB\n", "MemTotal: 1000 kB\nMemAvailable: 1001 kB\n",
                             "MemTotal: x kB\nMemAvailable: 1 kB\n", "MemTotal: 1000\nMemAvailable: 1\n",
                             "MemTotalX: 1000 kB\nMemAvailable: 1 kB\n", "MemTotal:"})
        BOOST_TEST(!machine_memory(text));
}

BOOST_AUTO_TEST_SUITE_END()
