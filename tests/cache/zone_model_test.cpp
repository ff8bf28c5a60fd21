#include <boost/test/unit_test.hpp>
#include <map>
#include <optional>

#include "cache/zone_fixture.hpp"
#include "cache/zone_processes.hpp"

using namespace edge::cache;

namespace {

/// Random operations on a zone through two views, beside a map that says what must be found.
class Model {
public:
    Model(std::uint64_t zone_bytes, std::uint64_t keys, std::uint64_t largest, std::uint64_t seed)
        : memory_{zone_bytes}, keys_{keys}, largest_{largest}, random_{seed}
    {
        BOOST_REQUIRE(views_[0].attach());
        BOOST_REQUIRE(views_[1].attach());
    }

    Zone& zone() { return views_[0]; }

    void step()
    {
        const std::uint64_t key = random_.below(keys_);
        Zone& view = views_[random_.below(2)];
        switch (random_.below(20)) {
            case 0:
            case 1:
            case 2:
            case 3:
            case 4:
                find(view, key);
                break;
            case 5:
            case 6:
            case 7:
                begin(view, key);
                break;
            case 8:
            case 9:
            case 10:
                write();
                break;
            case 11:
            case 12:
            case 13:
                end_fill();
                break;
            case 14:
                remove(view, key);
                break;
            case 15:
                renew(view, key);
                break;
            case 16:
                join(view);
                break;
            case 17:
                remove_pinned();
                break;
            case 18:
                if (random_.one_in(300)) {
                    view.clear();
                    objects_.clear();
                }
                break;
            default:
                drop_pins();
        }
    }

    /// Every key, all pins, the totals.
    void compare()
    {
        BOOST_REQUIRE_EQUAL(zone().check(), "");
        for (const Held& held : pins_) check(held);
        std::uint64_t there = 0;
        for (std::uint64_t key = 0; key < keys_; ++key) there += found(zone(), key, false);
        BOOST_REQUIRE(zone().stats().objects == there);
        if (!evicts()) BOOST_REQUIRE(there == objects_.size());
    }

    void let_go()
    {
        pins_.clear();
        fills_.clear();
        BOOST_REQUIRE(zone().stats().dead_bytes == 0);
        zone().clear();
        BOOST_REQUIRE(zone().stats().used_bytes == 0);
        BOOST_REQUIRE(views_[0].idle() && views_[1].idle());
        BOOST_REQUIRE_EQUAL(zone().check(), "");
    }

    bool evicts() const { return views_[0].stats().evictions != 0; }
    std::size_t longest_retired() const { return renewed_; }

private:
    struct Object {
        std::uint64_t number, body, meta_number, meta_size;
    };
    struct Held {
        Pin pin;
        std::uint64_t key;
        Object object;
    };
    struct Writing {
        Fill fill;
        Zone* view;
        std::uint64_t key;
        Object object;
        bool has_meta;
    };

    static std::vector<std::byte> meta_of(std::uint64_t key, const Object& o)
    {
        return make_meta({key, o.number, o.body, o.meta_number, o.meta_size});
    }

    void check(const Held& held)
    {
        BOOST_REQUIRE_EQUAL(wrong_with(held.pin, held.key), "");
        const auto meta = meta_of(held.key, held.object);
        BOOST_REQUIRE(std::equal(meta.begin(), meta.end(), held.pin.meta().begin(), held.pin.meta().end()));
    }

    bool found(Zone& view, std::uint64_t key, bool keep)
    {
        Pin pin = view.find(key_hash(view, key));
        const auto known = objects_.find(key);
        if (!pin) {
            if (!evicts()) BOOST_REQUIRE(known == objects_.end());
            if (known != objects_.end()) objects_.erase(known);
            return false;
        }
        BOOST_REQUIRE(known != objects_.end());
        Held held{std::move(pin), key, known->second};
        check(held);
        if (keep && random_.one_in(4)) pins_.push_back(std::move(held));
        return true;
    }

    void remove(Zone& view, std::uint64_t key)
    {
        const bool there = found(view, key, true);
        BOOST_REQUIRE(view.remove(key_hash(view, key)) == there);
        objects_.erase(key);
    }

    void find(Zone& view, std::uint64_t key) { found(view, key, true); }

    void begin(Zone& view, std::uint64_t key)
    {
        if (fills_.size() > 5) return;
        const std::uint64_t number = view.next_number();
        // Mostly small; now and then large.
        const std::uint64_t body = random_.below(random_.one_in(8) ? largest_ : 1 + largest_ / 50);
        const Object object{number, body, number,
                            std::max<std::uint64_t>(sizeof(TestMeta), random_.below(1500))};
        Fill fill = view.begin(key_hash(view, key), random_.one_in(2) ? body : 0);
        if (!fill) return;
        const bool has_meta = !random_.one_in(4);
        if (has_meta && !fill.set_meta(meta_of(key, object))) return;
        fills_.push_back({std::move(fill), &view, key, object, has_meta});
    }

    void write()
    {
        if (fills_.empty()) return;
        Writing& w = fills_[random_.below(fills_.size())];
        while (w.fill.body_size() < w.object.body && !random_.one_in(10)) {
            const auto room =
                w.fill.room(static_cast<std::size_t>(1 + random_.below(w.object.body - w.fill.body_size())));
            if (room.empty()) return;
            const std::size_t n = 1 + random_.below(room.size());
            write_pattern(room.first(n), w.object.number, w.fill.body_size());
            w.fill.advance(n);
        }
    }

    void end_fill()
    {
        if (fills_.empty()) return;
        const std::size_t i = random_.below(fills_.size());
        Writing w = std::move(fills_[i]);
        fills_.erase(fills_.begin() + static_cast<std::ptrdiff_t>(i));
        if (random_.one_in(4)) return;
        const std::uint64_t body = w.object.body;
        while (w.fill.body_size() < body) {
            const auto room = w.fill.room(static_cast<std::size_t>(body - w.fill.body_size()));
            if (room.empty()) {
                BOOST_REQUIRE(!w.fill.finish());
                return;
            }
            write_pattern(room, w.object.number, w.fill.body_size());
            w.fill.advance(room.size());
        }
        if (!w.has_meta && !w.fill.set_meta(meta_of(w.key, w.object))) return;
        Pin pin = w.fill.finish();
        if (!pin) return;
        objects_[w.key] = w.object;
        check(Held{std::move(pin), w.key, w.object});
    }

    void renew(Zone& view, std::uint64_t key)
    {
        const Pin pin = view.find(key_hash(view, key));
        if (!pin) return;
        Object fresh = objects_.at(key);
        fresh.meta_number = view.next_number();
        fresh.meta_size = std::max<std::uint64_t>(sizeof(TestMeta), random_.below(1500));
        if (!view.replace_meta(pin, meta_of(key, fresh))) return;
        objects_[key] = fresh;
        ++renewed_;
        if (random_.one_in(2)) pins_.push_back({view.find(key_hash(view, key)), key, fresh});
    }

    void join(Zone& view)
    {
        if (fills_.empty()) return;
        const Writing& w = fills_[random_.below(fills_.size())];
        const Pin pin = view.join(key_hash(view, w.key), w.fill.entry());
        if (!pin) return;
        BOOST_REQUIRE(pin.progress() == Progress::filling);
        BOOST_REQUIRE(pin.body_size() == w.fill.body_size());
        std::uint64_t at = 0;
        pin.for_each_piece([&](std::span<const std::byte> piece) {
            BOOST_REQUIRE(has_pattern(piece, w.object.number, at));
            at += piece.size();
        });
        BOOST_REQUIRE(at == w.fill.body_size());
    }

    void remove_pinned()
    {
        if (pins_.empty()) return;
        const Held& held = pins_[random_.below(pins_.size())];
        const auto known = objects_.find(held.key);
        const bool newest = known != objects_.end() && known->second.number == held.object.number;
        // Pins belong to a view: try both.
        if (views_[0].remove(held.pin) || views_[1].remove(held.pin)) {
            BOOST_REQUIRE(newest);
            objects_.erase(held.key);
        } else if (newest) {
            BOOST_REQUIRE(evicts());
            objects_.erase(known);
        }
    }

    void drop_pins()
    {
        while (!pins_.empty() && (pins_.size() > 40 || random_.one_in(2))) {
            const std::size_t i = random_.below(pins_.size());
            check(pins_[i]);
            if (random_.one_in(4)) pins_.push_back({pins_[i].pin.again(), pins_[i].key, pins_[i].object});
            std::swap(pins_[i], pins_.back());
            pins_.pop_back();
        }
    }

    TestMemory memory_;
    std::array<Zone, 2> views_{Zone{memory_.get()}, Zone{memory_.get()}};
    std::uint64_t keys_, largest_;
    Random random_;
    std::map<std::uint64_t, Object> objects_;
    std::vector<Held> pins_;
    std::vector<Writing> fills_;
    std::size_t renewed_ = 0;
};

}

BOOST_AUTO_TEST_SUITE(zone_model)

BOOST_AUTO_TEST_CASE(random_operations_find_exactly_what_a_map_holds)
{
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        BOOST_TEST_CONTEXT("seed " << seed)
        {
            Model model{96 * 1024 * 1024, 300, 100000, seed};
            for (int i = 0; i < 30000; ++i) {
                model.step();
                if (i % 1000 == 0) model.compare();
            }
            BOOST_TEST(!model.evicts());
            BOOST_TEST(model.longest_retired() > 50U);
            model.compare();
            model.let_go();
        }
    }
}

BOOST_AUTO_TEST_CASE(random_operations_under_eviction_find_nothing_that_a_map_does_not_hold)
{
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        BOOST_TEST_CONTEXT("seed " << seed)
        {
            Model model{1024 * 1024 + seed * 3000, 2000, 60000, seed};
            for (int i = 0; i < 40000; ++i) {
                model.step();
                if (i % 1000 == 0) model.compare();
            }
            BOOST_TEST(model.evicts());
            model.compare();
            model.let_go();
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
