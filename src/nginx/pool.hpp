#pragma once

#include <new>
#include <utility>

#include "nginx/ngx.hpp"

namespace edge::ngx {

/// The one clean-up function of a T in a pool: its address also says that a slot holds a T.
template <class T>
void destroy(void* data) noexcept
{
    static_cast<T*>(data)->~T();
}

/// Builds a T in `pool`; its destructor runs with the pool, newest object first. The slot's handler is set
/// after construction: a constructor that throws leaves a slot nginx skips. Throws std::bad_alloc, or what
/// T's constructor throws.
template <class T, class... Args>
T& make(ngx_pool_t* pool, Args&&... args)
{
    static_assert(alignof(T) <= NGX_ALIGNMENT, "ngx_palloc aligns no further");
    ngx_pool_cleanup_t* slot = ngx_pool_cleanup_add(pool, sizeof(T));
    if (slot == nullptr) throw std::bad_alloc{};
    T* object = ::new (slot->data) T(std::forward<Args>(args)...);
    slot->handler = destroy<T>;
    return *object;
}

/// The object that `make<T>` built last in `pool`, or nullptr. It outlives internal redirects, which wipe the
/// module contexts of a request.
template <class T>
T* find(ngx_pool_t* pool) noexcept
{
    for (ngx_pool_cleanup_t* slot = pool->cleanup; slot != nullptr; slot = slot->next) {
        if (slot->handler == destroy<T>) return static_cast<T*>(slot->data);
    }
    return nullptr;
}

/// Uninitialised memory for `n` objects of a trivial type. Throws std::bad_alloc.
template <class T>
T* array(ngx_pool_t* pool, std::size_t n)
{
    void* memory = ngx_palloc(pool, n * sizeof(T));
    if (memory == nullptr) throw std::bad_alloc{};
    return static_cast<T*>(memory);
}

/// Zeroed memory for one object of a trivial type. Throws std::bad_alloc.
template <class T>
T& zeroed(ngx_pool_t* pool)
{
    void* memory = ngx_pcalloc(pool, sizeof(T));
    if (memory == nullptr) throw std::bad_alloc{};
    return *static_cast<T*>(memory);
}

}
