# Turns a file into a C array NAME with its length NAME_len, so that the program carries it.
# cmake -DINPUT=FILE -DOUTPUT=FILE.c -DNAME=name -DHEADER=path/of/declaration.h -P embed.cmake
file(READ ${INPUT} octets HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," octets "${octets}")
string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" octets "${octets}")
file(WRITE ${OUTPUT} "#include <stddef.h>\n#include \"${HEADER}\"\n\nconst unsigned char ${NAME}[] = {\n${octets}0};\nconst size_t ${NAME}_len = sizeof ${NAME} - 1;\n")
