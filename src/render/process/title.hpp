#pragma once

/// What ps shows.
namespace edge::render {

/// Writes `title` over the arguments `argv` points to, cut to the room they have; they must not be read any
/// more.
void set_title(int argc, char** argv, const char* title) noexcept;

}
