{# The Cython form of a Kernel: Brian2's own code for the signals, then one call of the C++ form. #}
{# The addresses of all arguments come in one array: Brian2 would unpack each in every step. #}
{# USES_VARIABLES { N, _pointers } #}
{# ITERATE_ALL { _idx } #}
{% extends 'common_group.pyx' %}

{% block template_support_code %}
{% macro view(a) -%}
{%- if a.pathway -%}
Queues{(CSpikeQueue* const*)p[{{ 2 * a.position }}], (size_t)p[{{ 2 * a.position + 1 }}]}
{%- else -%}
Array<{{ a.ctype }}>{({{ a.ctype }}*)p[{{ 2 * a.position }}], (size_t)p[{{ 2 * a.position + 1 }}]}
{%- endif -%}
{%- endmacro %}
cdef extern from *:
    '''
{{ cpp_text }}
static int {{ wrapper }}(const int64_t* p)
{
    using namespace rule;
    return rule::{{ function }}(
        {% for argument in arguments %}
        {% if argument['is_list'] %}Arrays<{{ argument['items'][0].ctype }}>({ {%- for a in argument['items'] %}{{ view(a) }}{{ ', ' if not loop.last }}{% endfor -%} }){% else %}{{ view(argument['items'][0]) }}{% endif %}{{ ',' if not loop.last }}
        {% endfor %}
    );
}
    '''
    int {{ wrapper }}(const int64_t*)
{% endblock %}

{% block maincode %}
    {% if has_signals %}
    _vectorisation_idx = 1
    {{ scalar_code | autoindent }}
    for _idx in range(N):
        _vectorisation_idx = _idx
        {{ vector_code | autoindent }}
    {% endif %}
    cdef int _code = {{ wrapper }}(<const int64_t*>{{ get_array_name(variables['_pointers']) }})
    if _code != 0:
        _owner._stop_with_fault(_code)
{% endblock %}
