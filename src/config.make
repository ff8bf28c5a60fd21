# Read by nginx's configure (sh) while it writes its makefile: C++ flags for our objects
# only (nginx compiles everything with one CFLAGS), and their header dependencies.

for edge_src in $edge_srcs; do
    edge_obj=$NGX_OBJS/addon/`basename \`dirname $edge_src\``/`basename $edge_src .cpp`
    cat << END                                                >> $NGX_MAKEFILE
$edge_obj.o:	CFLAGS += -std=c++20 -fvisibility=hidden -Wall -Wextra -Werror -MMD -MP
-include $edge_obj.d
END
done
