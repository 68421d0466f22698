{# Brian2's template of this name, with all that is done in a function of its own: see loops.py. #}
{# ITERATE_ALL { _idx } #}
{# USES_VARIABLES { N } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.pyx' %}

{% block template_support_code %}
{% set names = load_namespace | used_in(scalar_code, vector_code) %}
{% for type in names | selectattr('array') | map(attribute='type') | unique %}
cdef extern from *:
    ctypedef {{ type }} *_{{ type }}_array "{{ type }} *__restrict"
{% endfor %}

cdef int _update(
    {% for a in names | selectattr('given') %}
    {{ '_' ~ a.type ~ '_array' if a.array else a.type or 'object' }} {{ a.name }},
    {% endfor %}
) except -1:
    cdef size_t _idx
    cdef size_t _vectorisation_idx
    {% for a in names | rejectattr('given') %}
    cdef {{ a.type }} {{ a.name }}
    {% endfor %}

    # scalar code
    _vectorisation_idx = 1
    {{ scalar_code | autoindent }}

    # vector code
    for _idx in range(N):
        _vectorisation_idx = _idx
        {{ vector_code | autoindent }}
    return 0
{% endblock %}

{% block maincode %}
    {% set names = load_namespace | used_in(scalar_code, vector_code) %}
    _update({{ names | selectattr('given') | map(attribute='name') | join(', ') }})
{% endblock %}
