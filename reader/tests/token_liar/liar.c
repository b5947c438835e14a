/* A PKCS#11 module in front of another one, MODULE, which changes one function of it. */
#include <dlfcn.h>
#include <string.h>

/* Places in CK_FUNCTION_LIST, attributes of PKCS#11. */
enum { CREATE_OBJECT = 20, SIGN = 43 };
enum { TOKEN = 0x01, VALUE = 0x11 };

struct attribute {
    unsigned long type;
    unsigned char *value;
    unsigned long length;
};
struct list {
    unsigned char major, minor;
    void *function[68];
};
typedef unsigned long Create(unsigned long, struct attribute *, unsigned long, unsigned long *);
typedef unsigned long Sign(unsigned long, unsigned char *, unsigned long, unsigned char *,
                           unsigned long *);

static struct list liar;
static Create *honest_create;
static Sign *honest_sign;

/* Every checksum is zero. */
static unsigned long sign(unsigned long session, unsigned char *data, unsigned long length,
                          unsigned char *tag, unsigned long *tag_length) {
    unsigned long code = honest_sign(session, data, length, tag, tag_length);
    if (code == 0 && tag)
        memset(tag, 0, *tag_length);
    return code;
}

/* Every key that is to stay becomes another one. */
static unsigned long create(unsigned long session, struct attribute *template, unsigned long count,
                            unsigned long *object) {
    unsigned char stays = 0;
    unsigned long at, code;
    for (at = 0; at < count; at++)
        if (template[at].type == TOKEN)
            stays = *template[at].value;
    for (at = 0; at < count; at++)
        if (template[at].type == VALUE)
            *template[at].value ^= stays;
    code = honest_create(session, template, count, object);
    for (at = 0; at < count; at++)
        if (template[at].type == VALUE)
            *template[at].value ^= stays;
    return code;
}

unsigned long C_GetFunctionList(struct list **out) {
    void *module = dlopen(MODULE, RTLD_NOW);
    unsigned long (*get)(struct list **) = dlsym(module, "C_GetFunctionList");
    struct list *list;
    unsigned long code = get(&list);
    liar = *list;
    honest_create = (Create *)list->function[CREATE_OBJECT];
    honest_sign = (Sign *)list->function[SIGN];
#ifdef LIE_SIGN
    liar.function[SIGN] = sign;
#else
    liar.function[CREATE_OBJECT] = create;
#endif
    *out = &liar;
    return code;
}
